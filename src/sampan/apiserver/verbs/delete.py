"""DELETE of one object."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api import errors
from sampan.api.errors import BadRequest
from sampan.api.kinds import meta_v1
from sampan.apiserver import decode, deprecations, lifecycle, negotiation, policies, stored
from sampan.apiserver.answers import object_answer, struct_answer
from sampan.apiserver.auth.authenticator import settled
from sampan.apiserver.http.exchange import Response
from sampan.apiserver.lifecycle import Step
from sampan.apiserver.request import Request, parse_integer
from sampan.apiserver.routes import truthy
from sampan.apiserver.verbs.get import absent
from sampan.apiserver.verbs.sight import Sight
from sampan.apiserver.write import DELETE, UPDATE, Write, commit, commit_delete
from sampan.store.cache import Entry

ATTEMPTS = 64


async def delete(request: Request) -> Response:
    """200 with the object (while something holds it, or where the kind is so) or a Status.

    Raises NotFound and Conflict.
    """
    options = delete_options(request)
    server, kind, target = request.server, request.kind, request.target
    warning = deprecations.on_delete(kind, options)
    if warning is not None:
        request.warnings.append(warning)
    cache, sight = server.resource(kind), Sight(server)
    await sight.begin()
    for _ in range(ATTEMPTS):
        try:
            entry = cache.get(target.namespace or None, target.name)
            if entry is None:
                raise absent(kind, target.name)
            outcome = await delete_entry(request, entry, options, certain=sight.certain)
        except errors.ApiError:
            if sight.certain:
                raise
            outcome = None
        if outcome is not None:
            data, removed, uid = outcome
            if data and (not removed or policies.shows_deleted(kind)):
                return object_answer(request, data, 202 if not removed and options.orphanDependents is False else 200)
            return struct_answer(request, success(request, uid))
        await sight.renew()
    raise errors.conflict(kind.group, kind.plural, target.name, "object was being modified too fast")


def delete_options(request: Request) -> Any:
    """From the body, else from the query. Raises BadRequest and Invalid."""
    exchange = request.exchange
    if exchange.body.strip():
        data = exchange.body
        form = negotiation.sent(exchange.headers.get(b"content-type", b""))
        if form is negotiation.PROTOBUF:
            data = decode.from_protobuf(data)
        elif form is negotiation.YAML:
            from sampan.codec import json, yaml
            from sampan.codec.errors import CodecError

            try:
                data = json.encode(yaml.decode(data))
            except CodecError as error:
                raise BadRequest(str(error)) from None
        try:
            document = msgspec.json.decode(data)
            known = meta_v1.DeleteOptions.__struct_fields__
            options = lifecycle.options_of({k: v for k, v in document.items() if k in known})
        except (msgspec.MsgspecError, AttributeError, UnicodeDecodeError) as error:
            raise BadRequest(f"couldn't get version/kind; json parse error: {error}") from None
    else:
        options = _from_query(request)
    lifecycle.check_options(options)
    return options


def _from_query(request: Request) -> Any:
    parameters = request.target.parameters
    options = meta_v1.DeleteOptions()
    if parameters.get("gracePeriodSeconds"):
        options.gracePeriodSeconds = parse_integer(parameters["gracePeriodSeconds"])
    if "orphanDependents" in parameters:
        options.orphanDependents = truthy(parameters["orphanDependents"])
    options.propagationPolicy = parameters.get("propagationPolicy")
    if parameters.get("dryRun"):
        options.dryRun = [parameters["dryRun"]]
    return options


async def delete_entry(
    request: Request, entry: Entry, options: Any, *, certain: bool = True
) -> tuple[bytes, bool, str] | None:
    """One attempt on one object: its last bytes, whether it is gone, its uid.

    None when somebody else was faster, or may have been (the entry is not `certain`) where nothing is to be done.
    """
    kind, server = request.kind, request.server
    obj = stored.from_bytes(kind, entry.data)
    lifecycle.check_preconditions(kind, obj, entry.revision, options)
    write = Write(
        request,
        DELETE,
        new=None,
        old=stored.from_bytes(kind, entry.data),
        revision=entry.revision,
        name=entry.name,
        subresource="",
        dry_run=bool(options.dryRun),
    )
    write.namespace = entry.namespace or ""
    await settled(server.admission.admit(write))
    step = lifecycle.begin_delete(kind, obj, options, server.clock.now())
    uid = obj.metadata.uid or ""
    if step is Step.NOTHING:
        return (entry.data, False, uid) if certain else None
    if step is Step.REMOVE:
        return await _remove(write, entry.data, uid)
    write.new, write.operation = obj, UPDATE
    if step is Step.MARK_AND_REMOVE:
        data = stored.splice(kind, stored.to_bytes(kind, obj), entry.revision)
        return await _remove(write, data, uid)
    outcome, data = await commit(write)
    return (data, False, uid) if outcome is None or outcome.succeeded else None


async def _remove(write: Write, data: bytes, uid: str) -> tuple[bytes, bool, str] | None:
    write.request.server.allocators.release(write.kind, write.old, write)
    outcome = await commit_delete(write)
    return (data, True, uid) if outcome is None or outcome.succeeded else None


def success(request: Request, uid: str) -> Any:
    """The Status of a delete that left nothing to show."""
    kind = request.kind
    return meta_v1.Status(
        kind="Status",
        apiVersion="v1",
        metadata=meta_v1.ListMeta(),
        status="Success",
        details=meta_v1.StatusDetails(name=request.target.name, group=kind.group or None, kind=kind.plural, uid=uid),
    )
