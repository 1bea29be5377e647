"""Connections that miss it when the other end, or the way there, is gone.

A watch says nothing for minutes, and TCP asks nobody by itself: a server that lost its power, or an own address that
went away, would be missed only when the watch is due to end. So the kernel asks in between, and gives up what it could
not send. What upstream's clients do by pings of HTTP/2 every 30 s.
"""

from __future__ import annotations

import socket
from typing import Any

IDLE_SECONDS, AGAIN_SECONDS, TIMES = 10, 5, 2
UNSENT_MILLISECONDS = 20_000
"""Half of the time after which a node that says nothing is taken for silent."""

OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE_SECONDS),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, AGAIN_SECONDS),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, TIMES),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNSENT_MILLISECONDS),
)


def made(place: tuple[Any, ...]) -> socket.socket:
    """For a place as getaddrinfo(3) gives it: family, type, protocol, and what is not needed here."""
    found = socket.socket(*place[:3])
    try:
        for option in OPTIONS:
            found.setsockopt(*option)
    except OSError:
        found.close()
        raise
    return found
