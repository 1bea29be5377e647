"""Reading the requests of one connection, by llhttp (`httptools`).

What is here so that nobody else has to know it:
- head and body are bounded, and each bound has its refusal (431, 413);
- who may not ask is told so before the body is read, and all bodies held for all clients are bounded together (429);
- what could be read in two ways (lengths that conflict, two hosts, trailers posing as headers) is refused or dropped;
- after a request to upgrade comes another protocol: it is kept, a little of it, for whoever takes the connection over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import httptools

from sampan.apiserver.http import wire
from sampan.apiserver.http.exchange import Exchange, Peer, Response

if TYPE_CHECKING:
    from sampan.apiserver.http.listener import Listener

MAX_HEAD_BYTES = 64 * 1024
UNSEEN_BODY_BYTES = 16 * 1024
"""A longer body is asked for only when its sender may ask for what it asks for."""


class Receiver(Peer, Protocol):
    """Whom the requests are for."""

    def began(self) -> None:
        """A request has begun to arrive."""

    def received(self, exchange: Exchange) -> None:
        """It is complete."""

    def proceed(self, line: bytes) -> None:
        """Write what makes the client send the body it waits with."""

    def reject(self, response: Response, exchange: Exchange | None = None) -> None:
        """Answer what could not be read, and end the connection: where the next request would begin is not known."""

    def pause(self) -> None:
        """Read no more from the socket."""


class Reader:
    """Takes bytes, gives exchanges. `receiving`: a request has begun to arrive and is not complete.

    After `stop` nothing is read any more.
    """

    def __init__(self, receiver: Receiver, listener: Listener) -> None:
        self._receiver = receiver
        self._listener = listener
        self._parser = httptools.HttpRequestParser(self)
        self._stopped = False
        self._deaf = False
        self._held = 0
        self.early = b""
        self._reset()

    def _reset(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._repeated: dict[bytes, list[bytes]] = {}
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._head_bytes = 0
        self._field_bytes = 0
        self._in_head = self.receiving = False
        self._seen: Exchange | None = None

    def feed(self, data: bytes) -> None:
        if self._stopped or self._deaf:
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

    def stop(self) -> None:
        self._stopped = True

    def release(self) -> None:
        """The bodies that came are kept no more."""
        self._body = []
        if self._held:
            held, self._held = self._held, 0
            self._listener.release(held)

    def _keep(self, data: bytes) -> None:
        if not self._stopped:
            self.early += data
            if len(self.early) > MAX_HEAD_BYTES:
                self._receiver.pause()

    # httptools' callbacks

    def on_message_begin(self) -> None:
        self._reset()
        self._in_head = self.receiving = True
        self._receiver.began()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head or self._stopped:
            return  # a trailer: nobody here has use for one, and taken for a header it could say who is asking
        self._field_bytes += len(name) + len(value) + 4
        if self._field_bytes > MAX_HEAD_BYTES:
            self._refuse(431, b"Request header fields too large")
            return
        name = name.lower()
        known = self._headers.get(name)
        if known is None:
            self._headers[name] = value
        else:
            self._repeated.setdefault(name, [known]).append(value)
            self._headers[name] = known + b", " + value

    def on_headers_complete(self) -> None:
        if self._stopped:
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
            self._receiver.reject(wire.too_large(self._listener.body_limit), self._exchange(b""))
            return
        if length > UNSEEN_BODY_BYTES or encoding is not None:
            seen = self._exchange(b"")
            refusal = self._listener.preview(seen)
            if refusal is not None:
                self._receiver.reject(refusal, seen)
                return
            self._seen = seen
        if b"expect" in headers and headers[b"expect"].lower() == b"100-continue":
            self._receiver.proceed(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        if self._stopped:
            return
        self._body_bytes += len(data)
        if self._body_bytes > self._listener.body_limit:
            self._receiver.reject(wire.too_large(self._listener.body_limit), self._exchange(b""))
            return
        self._body.append(data)
        self._held += len(data)
        if not self._listener.hold(len(data)):
            self._receiver.reject(wire.too_many(), self._exchange(b""))

    def on_message_complete(self) -> None:
        if self._stopped:
            return
        self.receiving = False
        body, self._body = self._body, []
        exchange = self._exchange((body[0] if len(body) == 1 else b"".join(body)) if body else b"")
        seen, self._seen = self._seen, None
        if seen is not None:
            exchange.identity, exchange.begun = seen.identity, seen.begun
        self._receiver.received(exchange)

    def _exchange(self, body: bytes) -> Exchange:
        parser = self._parser
        return Exchange(
            method=parser.get_method().decode("latin-1"),
            target=self._url.decode("latin-1"),
            headers=self._headers,
            body=body,
            peer=self._receiver,
            keep_alive=parser.should_keep_alive() and not parser.should_upgrade() and not self._listener.draining,
            chunked=parser.get_http_version() != "1.0",
            identity=self._listener.identity(self._headers),
            repeated=self._repeated,
            arrived=self._listener.monotonic(),
        )

    def _refuse(self, status: int, text: bytes) -> None:
        self._receiver.reject(Response(status, text, b"text/plain; charset=utf-8"))
