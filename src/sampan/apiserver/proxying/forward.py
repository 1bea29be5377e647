"""One proxied request: from the path behind `/proxy` to the other end, and its answer back as it comes; or, where both
agree on another protocol, the connection as a tunnel between them.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from sampan.aio.tunnel import Refusal, request_head
from sampan.api.errors import InternalError, ServiceUnavailable
from sampan.apiserver.http.exchange import Answer, Response, Stream
from sampan.apiserver.kubelets import pieces
from sampan.apiserver.proxying import headers, locations
from sampan.apiserver.proxying.locations import Location
from sampan.apiserver.request import Request

EMPTY = frozenset({204, 205, 304})


async def forward(request: Request) -> Answer:
    """The other end's answer. Raises NotFound, BadRequest, ServiceUnavailable, InternalError."""
    exchange = request.exchange
    rest = request.target.subresource.partition("/")[2]
    shown = request.target.path
    prefix = shown[: len(shown) - len(rest)].removesuffix("/")
    query = exchange.target.partition("?")[2]
    if shown == prefix:
        return _to_the_root(prefix, query)
    location = locations.find(request)
    path = headers.cleaned(rest)
    client = exchange.peer.address() if exchange.peer is not None else ""
    sent = headers.onward(exchange.headers, client=client, uri=quote(shown, safe=headers.PATH_SAFE))
    path = f"{path}?{query}" if query else path
    if headers.is_upgrade(exchange.headers):
        return await _upgrade(request, location, path, sent)
    reply = await request.server.backends.request(location, exchange.method, path, sent, exchange.body)
    return _answer(request, reply, location.authority, quote(prefix, safe=headers.PATH_SAFE))


async def _upgrade(request: Request, location: Location, path: str, sent: dict[str, str]) -> Answer:
    """A tunnel, or why the other end would not have one. Its word for success without an upgrade is no answer."""
    exchange = request.exchange
    asked = headers.asking(sent, exchange.headers, len(exchange.body))
    host = sent.get("host") or location.authority
    head = request_head(path, host, asked, method=exchange.method)
    found = await request.server.backends.upgrade(location, head + exchange.body)
    if not isinstance(found, Refusal):
        return found
    if found.status < 400:
        raise InternalError(f"invalid upgrade response: status code {found.status}")
    content = found.content_type or "text/plain; charset=utf-8"
    return Response(found.status, found.text.encode(), content.encode("latin-1", "replace"))


def _to_the_root(prefix: str, query: str) -> Response:
    """Relative links of a page only work below a slash."""
    target = quote(prefix, safe=headers.PATH_SAFE) + "/" + (f"?{query}" if query else "")
    return Response(301, b"", b"text/plain", [(b"Location", target.encode("latin-1", "replace"))])


def _answer(request: Request, reply: Any, source: str, prefix: str) -> Answer:
    host = request.exchange.header(b"host")
    kept = headers.back(reply.raw_headers, source=source, host=host, prefix=prefix)
    if reply.status < 200:
        reply.close()  # the client would take what follows for another protocol's
        raise ServiceUnavailable(f"error trying to reach service: it answered HTTP {reply.status} unasked")
    content = reply.headers.get("Content-Type", "application/octet-stream").encode("latin-1", "replace")
    if reply.status in EMPTY:
        reply.release()
        return Response(reply.status, b"", content, kept)
    return Stream(pieces(reply), content, kept, reply.status)
