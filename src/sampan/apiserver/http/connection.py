"""One HTTP/1.1 connection as an asyncio protocol: requests come from its `reader`, answers go out in their order.

Why not a web framework: with the same 2.4 kB answer over TLS on uvloop, aiohttp's low-level server gave 25,000
answers/s and this 65,000 on the same machine; the read path of the API server is shorter than the framework around it.

The rules kept here, so that nothing above has to know them:
- requests of one connection are answered one at a time and in order; further (pipelined) ones wait in `_waiting`, also
  for a client that does not read its answers;
- a handler's answer that is ready at once is written in the same call; otherwise one task per connection awaits it;
- answers to requests that came together leave together, as one record of TLS, up to a bound;
- no more than a few requests wait: then the socket is not read;
- a client that goes away cancels what is being done for it; a client that does not read stops its own stream, and
  nobody else's;
- an answer may take the connection over, for another protocol.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from sampan.aio import shown
from sampan.aio.tunnel import Takeover
from sampan.apiserver.http import wire
from sampan.apiserver.http.exchange import Answer, Exchange, Feed, Response, Stream
from sampan.apiserver.http.reader import Reader

if TYPE_CHECKING:
    from sampan.apiserver.http.listener import Listener

log = logging.getLogger(__name__)

LATER = (Awaitable, Stream, Response, Takeover)
"""Answers that a task gives. Most often it is a coroutine, which is asked for first: the others take a microsecond."""
MAX_WAITING = 16
TOGETHER_BYTES = 64 * 1024


class Connection(asyncio.Protocol):
    """Owned by its `Listener`, which shares the handler, the clock's date line and the set of open connections."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._handler = listener.handler
        self._transport: Any = None
        self._reader = Reader(self, listener)
        self._waiting: deque[Exchange] = deque()
        self._task: asyncio.Task[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._paused = False
        self._reading = True
        self._broken = False
        self._together: list[bytes] | None = None
        self._together_bytes = 0
        self._takeover: Takeover | None = None
        self._feed: Feed | None = None
        self._chunked = True
        self._last = False
        self._peer_certificate: dict[str, Any] | None = None
        self._certificate_known = False
        self.active_since = 0.0

    # what a handler may ask about the peer

    def certificate(self) -> dict[str, Any] | None:
        if not self._certificate_known:
            self._certificate_known = True
            self._peer_certificate = shown.certificate(self._transport)
        return self._peer_certificate

    def encoded_certificate(self) -> bytes | None:
        tls = shown.verified(self._transport)
        return tls.getpeercert(True) if tls is not None else None

    def is_unverified(self) -> bool:
        is_secured = self._transport.get_extra_info("ssl_object") is not None
        return is_secured and shown.verified(self._transport) is None

    def address(self) -> str:
        name = self._transport.get_extra_info("peername")
        return str(name[0]) if name else ""

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.active_since = self._listener.now
        if not self._listener.admit(self):
            self.drop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._listener.connections.discard(self)
        self._waiting.clear()
        self._break()
        if self._writable is not None and not self._writable.done():
            self._writable.set_exception(ConnectionResetError("the client closed the connection"))
        if self._task is not None:
            self._task.cancel()
        self._reader.release()
        if self._feed is not None:
            feed, self._feed = self._feed, None
            feed.close()
        if self._takeover is not None:
            takeover, self._takeover = self._takeover, None
            takeover.close()

    def data_received(self, data: bytes) -> None:
        if self._takeover is not None:
            self._takeover.receive(data)
            return
        self._together = []
        self._reader.feed(data)
        self._flush()
        self._together = None

    def pause_writing(self) -> None:
        self._paused = True
        self.active_since = self._listener.now
        if self._takeover is not None:
            self._takeover.pause()

    def resume_writing(self) -> None:
        self._paused = False
        self.active_since = self._listener.now
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        if self._feed is not None:
            self._feed.resume()
        elif self._takeover is not None:
            self._takeover.resume()
        elif self._waiting and self._task is None:
            self._next()

    # what the reader tells

    def began(self) -> None:
        self.active_since = self._listener.now

    def received(self, exchange: Exchange) -> None:
        if self._task is None and self._feed is None and not self._waiting and not self._paused:
            self._begin(exchange)
            return
        self._waiting.append(exchange)
        if len(self._waiting) >= MAX_WAITING:
            self.pause()

    def proceed(self, line: bytes) -> None:
        self._flush()
        self._transport.write(line)

    def reject(self, response: Response, exchange: Exchange | None = None) -> None:
        self._flush()
        if self._task is None:
            identity = exchange.identity if exchange is not None else b""
            self._transport.write(wire.encode(response, self._listener.date(), False, identity=identity))
        self.close()

    # answering

    def idle(self) -> bool:
        """Nothing is being answered or waits for it."""
        return self._task is None and self._feed is None and self._takeover is None and not self._waiting

    def stalled(self) -> bool:
        """What has been written is not being read."""
        return self._paused

    def incomplete(self) -> bool:
        """A request has begun to arrive and is not complete."""
        return self._reader.receiving

    def finish(self) -> None:
        """The server is going: end a feed as complete, and the connection when nothing else is being answered."""
        if self._feed is not None:
            feed, self._feed = self._feed, None
            feed.close()
            self._transport.write(wire.LAST_CHUNK)
            self.close()
        elif self.idle() and not self._reader.receiving:
            self.close()

    def close(self) -> None:
        """End the connection; what is being done for it is cancelled when the transport says it is gone."""
        self._flush()
        self._break()
        if self._transport is not None:
            self._transport.close()

    def drop(self) -> None:
        """End the connection at once, unwritten data and all."""
        self._break()
        self._transport.abort()

    def _break(self) -> None:
        """Nothing more is read or answered."""
        self._broken = True
        self._together = None
        self._reader.stop()

    def abort(self) -> None:
        """As `drop`, at the feed's wish, which wants to hear no more."""
        self._feed = None
        self.drop()

    def _begin(self, exchange: Exchange) -> None:
        self.active_since = self._listener.now
        try:
            answer = self._handler(exchange)
        except Exception:
            log.exception("handler failed method=%s id=%r", exchange.method, exchange.identity)
            answer = wire.internal_error()
        if type(answer) is Response:
            self._write(exchange, answer)
            self._reader.release()
        elif type(answer) is not CoroutineType and not isinstance(answer, LATER):
            self._open(exchange, answer)
        else:
            self._task = asyncio.get_running_loop().create_task(self._finish(exchange, answer), name="http-exchange")

    def _next(self) -> None:
        """Serve what has waited for the answer before it to be written."""
        exchange = self._waiting.popleft()
        self._task = asyncio.get_running_loop().create_task(self._finish(exchange, None), name="http-exchange")

    async def _finish(self, exchange: Exchange, answer: Answer | Awaitable[Answer] | None) -> None:
        """The slow road: await the answer (None: still to be asked for), write it, then serve what waited meanwhile."""
        try:
            await self._respond(exchange, self._handler(exchange) if answer is None else answer)
            while self._waiting and self._feed is None and not self._broken:
                exchange = self._waiting.popleft()
                self.resume()
                await self._respond(exchange, self._handler(exchange))
        except (ConnectionResetError, asyncio.CancelledError):
            self.close()
        except Exception:
            log.exception("handler failed method=%s id=%r", exchange.method, exchange.identity)
            if not self._broken:
                failure = wire.internal_error()
                self._transport.write(wire.encode(failure, self._listener.date(), False, identity=exchange.identity))
            self.close()
        finally:
            self._task = None
            self._reader.release()
            self.active_since = self._listener.now

    async def _respond(self, exchange: Exchange, answer: Answer | Awaitable[Answer]) -> None:
        if type(answer) is CoroutineType or isinstance(answer, Awaitable):
            answer = await answer
        if isinstance(answer, Response):
            self._write(exchange, answer)
            if self._paused:
                await self._drain()
        elif isinstance(answer, Stream):
            await self._stream(exchange, answer)
        elif isinstance(answer, Takeover):
            self._hand_over(answer)
        elif not self._broken:
            self._open(exchange, answer)

    def _write(self, exchange: Exchange, response: Response) -> None:
        date, keep_alive, identity = self._listener.date(), exchange.keep_alive, exchange.identity
        head_only = exchange.method == "HEAD"
        if isinstance(response.body, bytes):
            self._send(wire.encode(response, date, keep_alive, head_only, identity))
        else:
            self._flush()
            head = wire.encode_head(response, response.length(), date, keep_alive, identity)
            self._transport.writelines([head] if head_only else [head, *response.body])
        if not exchange.keep_alive:
            self.close()

    def _send(self, data: bytes) -> None:
        """With its neighbours, where there may be some."""
        if self._together is None:
            self._transport.write(data)
            return
        self._together.append(data)
        self._together_bytes += len(data)
        if self._together_bytes > TOGETHER_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._together:
            self._transport.write(self._together[0] if len(self._together) == 1 else b"".join(self._together))
            self._together, self._together_bytes = [], 0

    async def _stream(self, exchange: Exchange, stream: Stream) -> None:
        """One piece of the stream is one chunk and is on its way before the next is asked for (RFC 9112, 7.1).

        A client of HTTP/1.0 gets the pieces as they are, and knows the end by the connection's.
        """
        transport, chunked = self._transport, exchange.chunked
        transport.write(wire.stream_head(stream, self._listener.date(), exchange))
        chunks = stream.chunks
        try:
            if exchange.method != "HEAD":
                async for piece in chunks:
                    transport.write(wire.chunk(piece) if chunked else piece)
                    if self._paused:
                        await self._drain()
                if chunked:
                    transport.write(wire.LAST_CHUNK)
        finally:
            close = getattr(chunks, "aclose", None)
            if close is not None:
                await close()
        if not (chunked and exchange.keep_alive):
            self.close()

    # a feed's sink

    def _open(self, exchange: Exchange, feed: Feed) -> None:
        self._flush()
        self._chunked, self._last = exchange.chunked, not (exchange.chunked and exchange.keep_alive)
        self._transport.write(wire.feed_head(feed, self._listener.date(), exchange))
        if exchange.method == "HEAD":
            if self._last:
                self.close()
            return
        self._feed = feed
        feed.open(self)

    @property
    def paused(self) -> bool:
        return self._paused

    def send(self, piece: bytes) -> None:
        self._transport.write(self._listener.chunk(piece) if self._chunked else piece)

    def end(self) -> None:
        """The feed is complete: the connection is free for the next request."""
        self._feed = None
        self.active_since = self._listener.now
        if self._chunked:
            self._transport.write(wire.LAST_CHUNK)
        if self._last:
            self.close()
        elif self._waiting and self._task is None:
            self._next()

    # a takeover's near side

    def _hand_over(self, takeover: Takeover) -> None:
        if self._broken:
            takeover.close()
            return
        self._transport.write(takeover.head)
        self._takeover = takeover
        self.resume()
        takeover.open(self, self._reader.early)
        if self._paused:
            takeover.pause()

    def forward(self, data: bytes) -> None:
        # One that is ending takes no more, and asyncio's log would tell of each attempt.
        if not self._transport.is_closing():
            self._transport.write(data)

    def pause(self) -> None:
        if self._reading:
            self._reading = False
            self._transport.pause_reading()

    def resume(self) -> None:
        if not self._reading:
            self._reading = True
            self._transport.resume_reading()

    async def _drain(self) -> None:
        self._writable = asyncio.get_running_loop().create_future()
        try:
            await self._writable
        finally:
            self._writable = None
