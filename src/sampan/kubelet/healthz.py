"""/healthz without TLS on the node's loopback, for systemd and load balancers that watch over the kubelet.

It tells whether the kubelet answers, and nothing else; upstream's has the same port, 10248.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

log = logging.getLogger(__name__)
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
)
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
CHECKS = ("ping", "log", "syncloop")
"""What upstream's looks at. Whoever answers here does all of it: log and loop are this loop's."""
PATHS = (b"/healthz", *(f"/healthz/{check}".encode() for check in CHECKS))
VERBOSE = "".join(f"[+]{check} ok\n" for check in CHECKS) + "healthz check passed\n"
MOST_BYTES = 8192
PATIENCE = 5.0


class Healthz(asyncio.Protocol):
    """One connection: one request, one answer."""

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._patience = asyncio.get_running_loop().call_later(PATIENCE, transport.close)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if b"\r\n\r\n" in self._received or len(self._received) > MOST_BYTES:
            words = self._received.split(b"\r\n", 1)[0].split(b" ")
            known = len(words) == 3 and words[1].partition(b"?")[0] in PATHS
            self._transport.write(ANSWER if known else MISSING)
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.cancel()


async def serve(address: str, port: int | None) -> asyncio.Server | None:
    """The listening server; None when there is to be none, or the port is another's."""
    if not port:
        return None
    try:
        return await asyncio.get_running_loop().create_server(Healthz, address, port)
    except OSError as error:
        log.warning("/healthz is not served address=%s port=%d error=%s", address, port, error)
        return None
