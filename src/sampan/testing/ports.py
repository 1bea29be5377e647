"""Loopback ports for programs that are told where to listen.

Not the kernel's next free one: that comes from the range of which every outgoing connection takes its own port, so
that another test's connection may sit on it before the program listens, or while it is restarted.
"""

from __future__ import annotations

import random
import socket
from pathlib import Path

FIRST = 10_000
OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")
_given: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on now, that no outgoing connection takes, and that was not given before."""
    before = max(int(OUTGOING.read_text().split()[0]), 2 * FIRST)
    while True:
        port = random.SystemRandom().randrange(FIRST, before)
        if port not in _given and _free(port):
            _given.add(port)
            return port


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
