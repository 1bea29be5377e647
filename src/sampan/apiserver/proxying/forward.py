"""One proxied request: from the path behind `/proxy` to the other end, and its answer back as it comes."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from sampan.api.errors import ApiError, ServiceUnavailable
from sampan.apiserver.http.exchange import Answer, Response, Stream
from sampan.apiserver.kubelets import pieces
from sampan.apiserver.proxying import headers, locations
from sampan.apiserver.request import Request

EMPTY = frozenset({204, 205, 304})


async def forward(request: Request) -> Answer:
    """The other end's answer. Raises NotFound, BadRequest, ServiceUnavailable, and ApiError 501 for an upgrade."""
    exchange = request.exchange
    if b"upgrade" in exchange.headers:
        raise ApiError("proxies do not upgrade connections in this version", code=501, reason="NotImplemented")
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
    reply = await request.server.backends.request(
        location, exchange.method, f"{path}?{query}" if query else path, sent, exchange.body
    )
    return _answer(request, reply, location.authority, quote(prefix, safe=headers.PATH_SAFE))


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
