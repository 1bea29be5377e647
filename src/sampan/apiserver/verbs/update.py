"""PUT of one object, or of the part of it that a subresource is."""

from __future__ import annotations

from typing import Any

from sampan.api import errors
from sampan.api.errors import NotFound
from sampan.apiserver import decode, heavy, metadata, policies
from sampan.apiserver.answers import object_answer
from sampan.apiserver.http.exchange import Response
from sampan.apiserver.request import Request
from sampan.apiserver.verbs.change import change
from sampan.apiserver.verbs.create import create_object
from sampan.store.cache import Entry


async def update(request: Request) -> Response:
    """200 with the object as stored; 201 where the kind lets a PUT create. Raises as `change`."""
    kind = request.kind
    obj = await heavy.work(request, decode.body, request, kind)
    metadata.check_named(obj, request.target.name)
    sent = kind.encode(obj)
    fresh = [obj]

    def replace(old: Any, entry: Entry) -> Any:
        return fresh.pop() if fresh else kind.decode(sent)

    try:
        return object_answer(request, await change(request, replace))
    except NotFound:
        if request.target.subresource or not policies.create_on_update(kind):
            raise
    obj = kind.decode(sent)
    _check_absent(request, obj)
    return object_answer(request, await create_object(request, obj), 201)


def _check_absent(request: Request, obj: Any) -> None:
    """A PUT that creates must not claim to know a version of the object. Raises NotFound."""
    kind, name = request.kind, request.target.name
    meta = metadata.ensure(obj)
    if meta.resourceVersion or meta.uid:
        raise errors.not_found(kind.group, kind.plural, name)
    meta.name = meta.name or name
