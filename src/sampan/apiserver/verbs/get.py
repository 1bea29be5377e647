"""GET of one object: the bytes the watch cache holds."""

from __future__ import annotations

from collections.abc import Awaitable

from sampan.api import errors
from sampan.api.registry import Kind
from sampan.apiserver.answers import object_answer
from sampan.apiserver.http.exchange import Response
from sampan.apiserver.request import Request
from sampan.store.cache import Entry


def get(request: Request) -> Response | Awaitable[Response]:
    """200 with the object. Raises NotFound.

    Without a resourceVersion the answer must be as new as the last acknowledged write; over a store of this process the
    cache always is.
    """
    server = request.server
    if server.local or server.freshness.covers(request.exchange) or request.parameter("resourceVersion") == "0":
        return object_answer(request, find(request).data)
    return _wait(request)


async def _wait(request: Request) -> Response:
    await request.server.freshness.renew()
    return object_answer(request, find(request).data)


def find(request: Request) -> Entry:
    """The object the request names. Raises NotFound."""
    target, kind = request.target, request.kind
    entry = request.server.resource(kind).get(target.namespace or None, target.name)
    if entry is None:
        raise absent(kind, target.name)
    return entry


def absent(kind: Kind, name: str) -> errors.NotFound:
    """404 for an object that is not there."""
    error = errors.not_found(kind.group, kind.plural, shown_name(name))
    error.details = (error.details or {}) | {"name": name}
    return error


def shown_name(name: str) -> str:
    """A name for a message: control characters as Go's %q writes them (a terminal must not act on them)."""
    if name.isprintable():
        return name
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" if ord(c) < 128 else f"\\u{ord(c):04x}" for c in name)
