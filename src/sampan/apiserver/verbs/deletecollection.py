"""DELETE of a collection: a list, and a delete of each object in it."""

from __future__ import annotations

import msgspec

from sampan.apiserver import listoptions, selection
from sampan.apiserver.http.exchange import Response, Stream
from sampan.apiserver.request import Request
from sampan.apiserver.verbs.delete import ATTEMPTS, delete_entry, delete_options
from sampan.apiserver.verbs.list import body


async def deletecollection(request: Request) -> Response | Stream:
    """200 with the list of what was deleted, as it was before. Raises as list and delete;

    who vanishes meanwhile is no error.
    """
    deletion = delete_options(request)
    options = listoptions.parse(request, watch=False)
    predicate = selection.predicate(request.kind, options)
    cache = request.server.resource(request.kind)
    namespace = request.target.namespace or None
    revision = await cache.fresh()
    entries = [entry for entry in cache.list(namespace) if predicate is None or predicate(entry)]
    if options.limit:
        entries = entries[: options.limit]
    for listed in entries:
        for _ in range(ATTEMPTS):
            entry = cache.get(listed.namespace or None, listed.name)
            if entry is None or await delete_entry(request, entry, deletion) is not None:
                break
    metadata = msgspec.json.encode({"resourceVersion": str(revision)})
    return body(request, request.kind, entries, metadata)
