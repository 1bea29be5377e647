"""The listening socket and what its connections share: handler, date line, limits, the sweep of stalled clients."""

from __future__ import annotations

import asyncio
import logging
import resource
import ssl
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate

from sampan.aio.clock import Clock
from sampan.apiserver.http import wire
from sampan.apiserver.http.connection import Connection
from sampan.apiserver.http.exchange import Exchange, Handler, Preview, Response

log = logging.getLogger(__name__)

SWEEP_SECONDS = 5.0
REQUEST_SECONDS = 30.0
IDLE_SECONDS = 180.0
STALLED_SECONDS = 60.0
HELD_BYTES = 128 << 20
GOODBYE_SECONDS = 1.0
"""How long a client may take to agree to a connection's end; one that is not reading never does."""
SPARE_FILES = 128
"""Files for the store and for whatever else is opened beside connections."""


def _anybody(exchange: Exchange) -> Response | None:
    return None


def _nameless(headers: Mapping[bytes, bytes]) -> bytes:
    return b""


class Listener:
    """Serves `handler` on one address. `body_limit` in bytes, for one request; `held_limit` for all that are here.

    `preview` is shown a request with a large body before the body is read, and may refuse it. `identity` gives what
    the answer to a request with these headers is to be known by.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        clock: Clock,
        body_limit: int,
        held_limit: int = HELD_BYTES,
        preview: Preview = _anybody,
        identity: Callable[[Mapping[bytes, bytes]], bytes] = _nameless,
    ) -> None:
        self.handler = handler
        self.identity = identity
        self.preview = preview
        self.body_limit = body_limit
        self._held_limit = held_limit
        self._held = 0
        self.draining = self._closed = False
        self._room = max(resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES, SPARE_FILES)
        self.connections: set[Connection] = set()
        self.monotonic = clock.monotonic
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
            ssl_shutdown_timeout=GOODBYE_SECONDS if tls else None,
        )
        self._sweeper = loop.create_task(self._sweep(), name="http-sweep")
        return int(self._server.sockets[0].getsockname()[1])

    def drain(self) -> None:
        """From now on each answer asks its client to come back on another connection (RFC 9112, 9.6)."""
        self.draining = True

    async def close(self, *, grace_seconds: float = 2.0) -> None:
        """Stop accepting, end feeds, let running answers end for `grace_seconds`, then end what is left."""
        self.drain()
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
                connection.finish()
        self._closed = True
        for connection in list(self.connections):
            connection.drop()
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

    def hold(self, size: int) -> bool:
        """Count bytes of bodies that are kept; False when they are too many."""
        self._held += size
        return self._held <= self._held_limit

    def release(self, size: int) -> None:
        """Counted bytes are kept no more."""
        self._held -= size

    def admit(self, connection: Connection) -> bool:
        """Whether there is room for one more connection, whose file would be missing elsewhere, and a server behind
        it: one that was shaking hands while the listener closed comes too late.
        """
        if self._closed or len(self.connections) >= self._room:
            return False
        self.connections.add(connection)
        return True

    async def _sweep(self) -> None:
        """Close connections that send or take too slowly or are idle too long; one timer for all of them."""
        while True:
            await self._clock.sleep(SWEEP_SECONDS)
            self.now = self._clock.monotonic()
            for connection in list(self.connections):
                age = self.now - connection.active_since
                if (
                    (connection.incomplete() and age > REQUEST_SECONDS)
                    or (connection.stalled() and age > STALLED_SECONDS)
                    or (connection.idle() and age > IDLE_SECONDS)
                ):
                    connection.drop()
