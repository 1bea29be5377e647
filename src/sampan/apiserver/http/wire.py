"""Status lines and headers as bytes. RFC 9112; what every answer of the API carries is joined once."""

from __future__ import annotations

from http import HTTPStatus

from sampan.apiserver.http.exchange import Exchange, Feed, Response, Stream

REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}
_UNSAVED = b"Cache-Control: no-cache, private\r\n"
_LINES = {code: b"HTTP/1.1 %d %b\r\n%b" % (code, text, _UNSAVED) for code, text in REASONS.items()}

_OPEN = b"%bContent-Type: %b\r\nDate: %b\r\n%b%b%b\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n"
_CLOSE = b"Connection: close\r\n"
_IDENTITY = b"Audit-Id: %b\r\n"


def _first(status: int) -> bytes:
    return _LINES.get(status) or b"HTTP/1.1 %d Status\r\n" % status


def encode_head(response: Response, length: int, date: bytes, keep_alive: bool, identity: bytes = b"") -> bytes:
    """The head of an answer whose body is `length` bytes. `date` is an IMF-fixdate (RFC 9110, 5.6.7)."""
    extra = _IDENTITY % identity if identity else b""
    first = _first(response.status)
    if response.headers:
        extra += b"".join(b"%b: %b\r\n" % pair for pair in response.headers)
        if any(name == b"Cache-Control" for name, _ in response.headers):
            first = first.removesuffix(_UNSAVED)
    if not keep_alive:
        extra += _CLOSE
    return b"%bContent-Type: %b\r\nDate: %b\r\n%bContent-Length: %d\r\n\r\n" % (
        first,
        response.content_type,
        date,
        extra,
        length,
    )


def encode(
    response: Response, date: bytes, keep_alive: bool = True, head_only: bool = False, identity: bytes = b""
) -> bytes:
    """A whole answer, to be given to the transport in one piece."""
    body = response.whole()
    head = encode_head(response, len(body), date, keep_alive, identity)
    return head if head_only else head + body


def stream_head(stream: Stream, date: bytes, exchange: Exchange) -> bytes:
    """The head of an answer of unknown length (RFC 9112, 6.3): in chunks, or up to the connection's end."""
    extra = b"".join(b"%b: %b\r\n" % pair for pair in stream.headers or ())
    return _open(stream.status, stream.content_type, date, extra, exchange)


def feed_head(feed: Feed, date: bytes, exchange: Exchange) -> bytes:
    """Likewise, of a feed."""
    return _open(feed.status, feed.content_type, date, b"", exchange)


def _open(status: int, content_type: bytes, date: bytes, extra: bytes, exchange: Exchange) -> bytes:
    if exchange.identity:
        extra += _IDENTITY % exchange.identity
    framing = _CHUNKED if exchange.chunked else b""
    close = b"" if exchange.chunked and exchange.keep_alive else _CLOSE
    return _OPEN % (_first(status), content_type, date, extra, framing, close)


def chunk(piece: bytes) -> bytes:
    """One piece as a chunk."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


LAST_CHUNK = b"0\r\n\r\n"


def internal_error() -> Response:
    """For a bug in a handler: says nothing of its inside."""
    return Response(
        500,
        b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Internal error occurred",'
        b'"reason":"InternalError","details":{"causes":[{"message":"internal error"}]},"code":500}\n',
    )


def too_large(limit: int) -> Response:
    """413 in upstream's words; `limit` in bytes."""
    return Response(
        413,
        b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",'
        b'"message":"Request entity too large: limit is %d","reason":"RequestEntityTooLarge","code":413}\n' % limit,
    )


def too_many() -> Response:
    """429 in upstream's words: the server holds as much for its clients as it may."""
    return Response(
        429,
        b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",'
        b'"message":"Too many requests, please try again later.","reason":"TooManyRequests",'
        b'"details":{"retryAfterSeconds":1},"code":429}\n',
        headers=[(b"Retry-After", b"1")],
    )
