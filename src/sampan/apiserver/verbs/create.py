"""POST to a collection."""

from __future__ import annotations

import asyncio

import msgspec

from sampan.api import errors
from sampan.api.errors import ApiError
from sampan.apiserver import decode, heavy, metadata, stages
from sampan.apiserver.allocation.services import is_service
from sampan.apiserver.answers import object_answer
from sampan.apiserver.http.exchange import Response
from sampan.apiserver.request import Request
from sampan.apiserver.verbs.sight import Sight
from sampan.apiserver.write import CREATE, Write, commit, lost_beside

ATTEMPTS = 64
CONTENDED = "what is stored beside it (a quota, an address) is being changed too fast; please try again"


async def create(request: Request) -> Response:
    """201 with the object as stored. Raises AlreadyExists, Invalid, BadRequest and what admission says."""
    if heavy.is_heavy(request):
        obj = await asyncio.to_thread(decode.body, request, request.kind)
    else:
        obj = decode.body(request, request.kind)
    data = await create_object(request, obj)
    return object_answer(request, data, 201)


async def create_object(request: Request, obj: object, *, applied: bool = False) -> bytes:
    """Take a decoded object through the write stages; gives the bytes to show.

    A name made from generateName that happens to be taken is made anew (KEP-4420).
    """
    meta = metadata.ensure(obj)
    generated = not meta.name and bool(meta.generateName)
    sight = Sight(request.server)
    retried = generated or not sight.certain or is_service(request.kind) or _counted(request)
    spare = msgspec.json.encode(obj) if retried else b""
    taken = False
    for _ in range(ATTEMPTS):
        write = Write(request, CREATE, new=obj)
        write.applied = applied
        metadata.check_place(write)
        if request.target.name:
            metadata.check_named(obj, request.target.name)
        server = request.server
        metadata.begin(write, server.rng, server.clock.now())
        try:
            await stages.through(write)
        except ApiError:
            if sight.certain:
                raise
            await sight.renew()
            obj = write.kind.decode(spare)
            continue
        if write.dry_run:
            await sight.renew()
        if write.dry_run and server.resource(write.kind).get(write.namespace or None, write.name) is not None:
            write.abandon()
            raise exists(write)
        outcome, data = await commit(write)
        if outcome is None or outcome.succeeded:
            return data
        taken = not lost_beside(write, outcome)
        if taken and not generated:
            raise exists(write)
        if not spare:
            break  # a quota came while this went on: nothing was kept to begin again with
        obj = write.kind.decode(spare)
    if taken:
        raise exists(write)
    raise errors.conflict(write.kind.group, write.kind.plural, write.name, CONTENDED)


def _counted(request: Request) -> bool:
    """Whether quotas count what is made here: they are written in the same commit, and may change meanwhile."""
    namespace = request.target.namespace
    return bool(namespace) and bool(request.server.cache.resource("", "resourcequotas").list(namespace))


def exists(write: Write) -> ApiError:
    """409 for a name that is taken."""
    return errors.already_exists(write.kind.group, write.kind.plural, write.name)
