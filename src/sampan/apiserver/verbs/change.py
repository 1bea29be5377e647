"""The read-modify-write loop under update and patch, and under every subresource that changes a stored object.

Optimistic concurrency: whoever names a resourceVersion writes over that version or not at all (409); whoever names none
gets the change
made on whatever is newest, and a lost race is run again unseen.
https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sampan.api import errors
from sampan.api.errors import FieldError
from sampan.api.registry import Kind
from sampan.apiserver import heavy, lifecycle, metadata, policies, stages, stored
from sampan.apiserver.listoptions import parse_version
from sampan.apiserver.request import Request
from sampan.apiserver.verbs.get import absent
from sampan.apiserver.verbs.sight import Sight
from sampan.apiserver.write import UPDATE, View, Write, commit
from sampan.store.cache import Entry

MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"
ATTEMPTS = 64

Change = Callable[[Any, Entry], Any]
"""From the stored object (the callee's own copy) and its cache entry to the object wanted."""


async def change(request: Request, make: Change, *, applied: bool = False, view: View | None = None) -> bytes:
    """Apply `make` to the object the request names, through all write stages; gives the bytes to show. `applied`:
    `make` has recorded the owners of fields. `view`: how admission is to see the change, if not as it is.

    Raises NotFound, Conflict, Invalid and what the stages raise. An update that changes nothing is not written.
    """
    target, sight = request.target, Sight(request.server)
    cache = request.server.resource(request.kind)
    await sight.begin()
    for _ in range(ATTEMPTS):
        entry = cache.get(target.namespace or None, target.name)
        try:
            data = await _attempt(request, entry, make, sight, applied=applied, view=view)
        except errors.ApiError:
            if sight.certain:
                raise
            data = b""
        if data:
            return data
        await sight.renew()
    raise conflict(request, target.name)


async def _attempt(
    request: Request, entry: Entry | None, make: Change, sight: Sight, *, applied: bool, view: View | None
) -> bytes:
    """The bytes to show; b"" when it has to be tried on something newer."""
    kind, name = request.kind, request.target.name
    if entry is None:
        raise absent(kind, name)
    new = await heavy.work(request, make, stored.from_bytes(kind, entry.data), entry)
    write = Write(request, UPDATE, new=new, old=stored.from_bytes(kind, entry.data), revision=entry.revision)
    write.applied, write.view = applied, view
    check_version(write, entry)
    metadata.check_place(write)
    metadata.check_named(new, name)
    metadata.carry(write)
    await stages.through(write)
    if lifecycle.ends_with_update(write):
        return await lifecycle.end(write)
    return await store(write, entry, sight)


async def modify(request: Request, kind: Kind, name: str, make: Change) -> bytes:
    """As `change`, for what the server does to an object on somebody's behalf: without stages and owners of fields."""
    server, namespace = request.server, request.target.namespace
    cache = server.resource(kind)
    await cache.fresh()
    for _ in range(ATTEMPTS):
        entry = cache.get(namespace or None, name)
        if entry is None:
            raise absent(kind, name)
        new = make(stored.from_bytes(kind, entry.data), entry)
        write = Write(request, UPDATE, new=new, revision=entry.revision, kind=kind, name=name, subresource="")
        outcome, data = await commit(write)
        if outcome is None or outcome.succeeded:
            return data
    raise errors.conflict(kind.group, kind.plural, name, MODIFIED)


def check_version(write: Write, entry: Entry) -> None:
    """A resourceVersion the client named must be the stored one, and so must a uid; some kinds' PUT must name one.

    Raises Conflict, Invalid and BadRequest.
    """
    meta = metadata.ensure(write.new)
    named = meta.resourceVersion
    if meta.uid and meta.uid != write.old.metadata.uid:
        key = policies.registry_key(write.kind, entry)
        why = f"Precondition failed: UID in precondition: {meta.uid}, UID in object meta: {write.old.metadata.uid}"
        storage = f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: {why}"
        raise conflict(write.request, write.name, storage)
    request, kind = write.request, write.kind
    if not named and request.target.verb == "update" and not policies.unconditional_update(kind):
        text = "Invalid value: 0: must be specified for an update"
        wrong = [FieldError(errors.INVALID, "metadata.resourceVersion", text)]
        raise errors.invalid(kind.group, kind.plural, write.name, wrong)
    if named and named != "0" and parse_version(named) != entry.revision:
        raise conflict(write.request, write.name)


async def store(write: Write, entry: Entry, sight: Sight) -> bytes:
    """Commit; b"" when somebody else was faster, or may have been where nothing is to be written."""
    data = stored.to_bytes(write.kind, write.new)
    if stored.splice(write.kind, data, entry.revision) == entry.data:
        write.abandon()
        return entry.data if sight.certain else b""
    outcome, data = await commit(write)
    return data if outcome is None or outcome.succeeded else b""


def conflict(request: Request, name: str, why: str = MODIFIED) -> errors.Conflict:
    """409 in upstream's words."""
    return errors.conflict(request.kind.group, request.kind.plural, name, why)
