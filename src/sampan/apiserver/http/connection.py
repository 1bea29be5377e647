"""One HTTP/1.1 connection as an asyncio protocol over llhttp (`httptools`).

Why not a web framework: with the same 2.4 kB answer over TLS on uvloop, aiohttp's low-level server gave 25,000
answers/s and this 65,000 on the same machine; the read path of the API server is shorter than the framework around it.

The rules kept here, so that nothing above has to know them:
- requests of one connection are answered one at a time and in order; further (pipelined) ones wait in `_waiting`, also
  for a client that does not read its answers, and the socket is not read while more than a few wait;
- a handler's answer that is ready at once is written in the same call; otherwise one task per connection awaits it;
- head, body and number of waiting requests are bounded, and each bound has its refusal (431, 413, back-pressure);
- who may not ask is told so before the body is read, and all bodies held for all clients are bounded together (429);
- what could be read in two ways (lengths that conflict, two hosts, trailers posing as headers) is refused or dropped;
- a client that goes away cancels what is being done for it; a client that does not read stops its own stream, and
  nobody else's;
- after a request to upgrade comes another protocol: it is kept (a little of it) until the answer, which takes the
  connection over or ends it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

import httptools

from sampan.aio.tunnel import Takeover
from sampan.apiserver.http import wire
from sampan.apiserver.http.exchange import Answer, Exchange, Feed, Response, Stream

if TYPE_CHECKING:
    from sampan.apiserver.http.listener import Listener

log = logging.getLogger(__name__)

MAX_HEAD_BYTES = 64 * 1024
MAX_WAITING = 16
UNSEEN_BODY_BYTES = 16 * 1024
"""A longer body is asked for only when its sender may ask for what it asks for."""


class Connection(asyncio.Protocol):
    """Owned by its `Listener`, which shares the handler, the clock's date line and the set of open connections."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._handler = listener.handler
        self._transport: Any = None
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Exchange] = deque()
        self._task: asyncio.Task[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._paused = False
        self._reading = True
        self._broken = False
        self._deaf = False
        self._early = b""
        self._takeover: Takeover | None = None
        self._feed: Feed | None = None
        self._chunked = True
        self._last = False
        self._held = 0
        self._peer_certificate: dict[str, Any] | None = None
        self._certificate_known = False
        self.active_since = 0.0
        self._reset()

    # what a handler may ask about the peer

    def certificate(self) -> dict[str, Any] | None:
        if not self._certificate_known:
            self._certificate_known = True
            tls = self._transport.get_extra_info("ssl_object")
            self._peer_certificate = (tls.getpeercert() or None) if tls is not None else None
        return self._peer_certificate

    def encoded_certificate(self) -> bytes | None:
        tls = self._transport.get_extra_info("ssl_object")
        return tls.getpeercert(True) if tls is not None else None

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
        self._broken = True
        if self._writable is not None and not self._writable.done():
            self._writable.set_exception(ConnectionResetError("the client closed the connection"))
        if self._task is not None:
            self._task.cancel()
        self._release()
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
        if self._broken or self._deaf:
            self._keep(data)
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and self._body_bytes == 0:
                self._refuse(431, b"Request header fields too large")
                return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._deaf = True
            self._keep(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse(400, b"400 Bad Request")

    def _keep(self, data: bytes) -> None:
        """Another protocol's bytes, which came before the answer to the request to speak it."""
        if not self._broken:
            self._early += data
            if len(self._early) > MAX_HEAD_BYTES:
                self.pause()

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

    # httptools' callbacks

    def on_message_begin(self) -> None:
        self._reset()
        self._in_head = self._receiving = True
        self.active_since = self._listener.now

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head or self._broken:
            return  # a trailer: nobody here has use for one, and taken for a header it could say who is asking
        self._field_bytes += len(name) + len(value) + 4
        if self._field_bytes > MAX_HEAD_BYTES:
            self._refuse(431, b"Request header fields too large")
            return
        name = name.lower()
        known = self._headers.get(name)
        self._headers[name] = value if known is None else known + b", " + value

    def on_headers_complete(self) -> None:
        if self._broken:
            return
        self._in_head = False
        headers = self._headers
        if len(self._url) + self._field_bytes > MAX_HEAD_BYTES:
            self._refuse(431, b"Request header fields too large")
            return
        host = headers.get(b"host")
        if (host is None and self._parser.get_http_version() != "1.0") or (host and b"," in host):
            self._refuse(400, b"400 Bad Request: missing required Host header" if host is None else b"400 Bad Request")
            return
        encoding = headers.get(b"transfer-encoding")
        if encoding is not None and encoding.lower() != b"chunked":
            self._refuse(501, b"501 Not Implemented: Unsupported transfer encoding")
            return
        length = int(headers.get(b"content-length") or 0)
        if length > self._listener.body_limit:
            self._reject(wire.too_large(self._listener.body_limit), self._exchange(b""))
            return
        if length > UNSEEN_BODY_BYTES or encoding is not None:
            seen = self._exchange(b"")
            refusal = self._listener.preview(seen)
            if refusal is not None:
                self._reject(refusal, seen)
                return
        if b"expect" in headers and headers[b"expect"].lower() == b"100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        if self._broken:
            return
        self._body_bytes += len(data)
        if self._body_bytes > self._listener.body_limit:
            self._reject(wire.too_large(self._listener.body_limit), self._exchange(b""))
            return
        self._body.append(data)
        self._held += len(data)
        if not self._listener.hold(len(data)):
            self._reject(wire.too_many(), self._exchange(b""))

    def on_message_complete(self) -> None:
        if self._broken:
            return
        self._receiving = False
        body = self._body
        exchange = self._exchange((body[0] if len(body) == 1 else b"".join(body)) if body else b"")
        if self._task is None and self._feed is None and not self._waiting and not self._paused:
            self._begin(exchange)
            return
        self._waiting.append(exchange)
        if len(self._waiting) >= MAX_WAITING and self._reading:
            self._reading = False
            self._transport.pause_reading()

    def _exchange(self, body: bytes) -> Exchange:
        parser = self._parser
        return Exchange(
            method=parser.get_method().decode("latin-1"),
            target=self._url.decode("latin-1"),
            headers=self._headers,
            body=body,
            peer=self,
            keep_alive=parser.should_keep_alive() and not parser.should_upgrade() and not self._listener.draining,
            chunked=parser.get_http_version() != "1.0",
            identity=self._listener.identity(self._headers),
        )

    # answering

    def idle(self) -> bool:
        """Nothing is being answered or waits for it."""
        return self._task is None and self._feed is None and self._takeover is None and not self._waiting

    def stalled(self) -> bool:
        """What has been written is not being read."""
        return self._paused

    def incomplete(self) -> bool:
        """A request has begun to arrive and is not complete."""
        return self._receiving

    def finish(self) -> None:
        """The server is going: end a feed as complete, and the connection when nothing else is being answered."""
        if self._feed is not None:
            feed, self._feed = self._feed, None
            feed.close()
            self._transport.write(wire.LAST_CHUNK)
            self.close()
        elif self.idle() and not self._receiving:
            self.close()

    def close(self) -> None:
        """End the connection; what is being done for it is cancelled when the transport says it is gone."""
        self._broken = True
        if self._transport is not None:
            self._transport.close()

    def drop(self) -> None:
        """End the connection at once, unwritten data and all."""
        self._broken = True
        self._transport.abort()

    def abort(self) -> None:
        """As `drop`, at the feed's wish, which wants to hear no more."""
        self._feed = None
        self.drop()

    def _reset(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._head_bytes = 0
        self._field_bytes = 0
        self._in_head = self._receiving = False

    def _begin(self, exchange: Exchange) -> None:
        self.active_since = self._listener.now
        self._body = []
        try:
            answer = self._handler(exchange)
        except Exception:
            log.exception("handler failed method=%s id=%r", exchange.method, exchange.identity)
            answer = wire.internal_error()
        if type(answer) is Response:
            self._write(exchange, answer)
            if self._held:
                self._release()
        elif not isinstance(answer, Awaitable | Stream | Response | Takeover):
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
                if not self._reading:
                    self._reading = True
                    self._transport.resume_reading()
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
            self._release()
            self.active_since = self._listener.now

    async def _respond(self, exchange: Exchange, answer: Answer | Awaitable[Answer]) -> None:
        if isinstance(answer, Awaitable):
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
            self._transport.write(wire.encode(response, date, keep_alive, head_only, identity))
        else:
            head = wire.encode_head(response, response.length(), date, keep_alive, identity)
            self._transport.writelines([head] if head_only else [head, *response.body])
        if not exchange.keep_alive:
            self.close()

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
        early, self._early = self._early, b""
        self.resume()
        takeover.open(self, early)
        if self._paused:
            takeover.pause()

    def forward(self, data: bytes) -> None:
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

    def _release(self) -> None:
        if self._held:
            held, self._held = self._held, 0
            self._listener.release(held)

    # refusing

    def _refuse(self, status: int, text: bytes) -> None:
        self._reject(Response(status, text, b"text/plain; charset=utf-8"))

    def _reject(self, response: Response, exchange: Exchange | None = None) -> None:
        """Answer what could not be read and close: where the next request would begin is not known."""
        if self._task is None:
            identity = exchange.identity if exchange is not None else b""
            self._transport.write(wire.encode(response, self._listener.date(), False, identity=identity))
        self.close()
