"""The listening socket and what its connections share: handler, date line, limits, the sweep of stalled clients."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Sequence
from email.utils import formatdate

from sampan.aio.clock import Clock
from sampan.apiserver.http import wire
from sampan.apiserver.http.connection import Connection
from sampan.apiserver.http.exchange import Handler

log = logging.getLogger(__name__)

SWEEP_SECONDS = 5.0
REQUEST_SECONDS = 30.0
IDLE_SECONDS = 180.0


class Listener:
    """Serves `handler` on one address. `body_limit` in bytes."""

    def __init__(self, handler: Handler, *, clock: Clock, body_limit: int) -> None:
        self.handler = handler
        self.body_limit = body_limit
        self.connections: set[Connection] = set()
        self.now = clock.monotonic()
        self._clock = clock
        self._second = 0
        self._date = b""
        self._piece = self._chunk = b""
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self, hosts: Sequence[str], port: int, tls: ssl.SSLContext | None) -> int:
        """Bind and serve; gives the port. OSError when the address is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self),
            list(hosts),
            port,
            ssl=tls,
            backlog=4096,
            ssl_handshake_timeout=10 if tls else None,
        )
        self._sweeper = loop.create_task(self._sweep(), name="http-sweep")
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self, *, grace_seconds: float = 2.0) -> None:
        """Stop accepting, end feeds, let running answers end for `grace_seconds`, then end what is left."""
        if self._server is not None:
            self._server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self.connections):
            connection.finish()
        deadline = self._clock.monotonic() + grace_seconds
        while self.connections and self._clock.monotonic() < deadline:
            await self._clock.sleep(0.02)
        for connection in list(self.connections):
            connection.abort()
        await asyncio.sleep(0)

    def date(self) -> bytes:
        """The `Date` header's value, made once a second."""
        now = self._clock.now()
        second = int(now)
        if second != self._second:
            self._second = second
            self._date = formatdate(now, usegmt=True).encode()
        return self._date

    def chunk(self, piece: bytes) -> bytes:
        """A piece framed as a chunk; once, for all connections that send it one after the other."""
        if piece is not self._piece:
            self._piece, self._chunk = piece, wire.chunk(piece)
        return self._chunk

    async def _sweep(self) -> None:
        """Close connections that send a request too slowly or are idle too long; one timer for all of them."""
        while True:
            await self._clock.sleep(SWEEP_SECONDS)
            self.now = self._clock.monotonic()
            for connection in list(self.connections):
                age = self.now - connection.active_since
                if (connection.incomplete() and age > REQUEST_SECONDS) or (connection.idle() and age > IDLE_SECONDS):
                    connection.abort()
