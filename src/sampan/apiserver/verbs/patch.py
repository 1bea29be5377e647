"""PATCH of one object in four forms:

JSON patch (RFC 6902), merge patch (RFC 7386), strategic merge patch, and server-side apply.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sampan.api import errors, schema
from sampan.api.errors import ApiError, BadRequest, FieldError, NotFound, UnsupportedMediaType
from sampan.api.registry import Kind
from sampan.apiserver import decode, heavy, managedfields, mistyped, strictness
from sampan.apiserver.answers import object_answer
from sampan.apiserver.http.exchange import Response
from sampan.apiserver.request import Request
from sampan.apiserver.routes import truthy
from sampan.apiserver.verbs.change import change
from sampan.apiserver.verbs.create import create_object
from sampan.codec import json, jsonpatch, mergepatch, strategic
from sampan.codec.errors import CodecError
from sampan.store.cache import Entry

JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = ("application/apply-patch+yaml", "application/apply-patch+cbor")
Patch = Callable[[Any], Any]


async def patch(request: Request) -> Response:
    """200 with the object as stored; an apply of an absent object creates it (201).

    Raises as `change`, and for the patch itself.
    """
    media = media_of(request)
    if media == APPLY[0]:
        return await _apply(request)
    if request.parameter("force"):
        wrong = [FieldError(errors.FORBIDDEN, "force", "Forbidden: may not be specified for non-apply patch")]
        raise errors.invalid("meta.k8s.io", "PatchOptions", "", wrong)
    try:
        merge = await heavy.work(request, prepared, request, media, schema.info(request.kind.struct))
    except CodecError as error:
        raise refused(error) from None
    return object_answer(request, await change(request, _changer(request, merge)))


def media_of(request: Request) -> str:
    """The patch's media type, without parameters."""
    return request.exchange.header(b"content-type").split(";", 1)[0].strip().lower()


def prepared(request: Request, media: str, info: schema.TypeInfo) -> Patch:
    """The patch, decoded once, as a function on JSON values.

    Raises CodecError, and UnsupportedMediaType for another form.
    """
    body = request.exchange.body
    if media == JSON_PATCH:
        operations = jsonpatch.decode(body)
        return lambda document: jsonpatch.apply(document, operations)
    if media == MERGE:
        merge = mergepatch.decode(body)
        return lambda document: mergepatch.apply(document, merge)
    if media == STRATEGIC:
        changes = strategic.decode(body)
        return lambda document: strategic.apply(document, changes, info)
    request.warnings.clear()
    raise UnsupportedMediaType("415: Unsupported Media Type", details={})


def _changer(request: Request, merge: Patch) -> Callable[[Any, Entry], Any]:
    decoded = decoder(request, request.kind)

    def apply(old: Any, entry: Entry) -> Any:
        old.metadata.resourceVersion = str(entry.revision)
        before = json.decode(request.kind.encode(old))
        try:
            document = merge(before)
        except CodecError as error:
            raise refused(error) from None
        if not isinstance(document, dict):
            raise BadRequest("json: cannot unmarshal into an object")
        obj = decoded(document)
        if obj.metadata is not None and obj.metadata.resourceVersion == str(entry.revision):
            obj.metadata.resourceVersion = None
        return obj

    return apply


def decoder(request: Request, kind: Kind) -> Callable[[Any], Any]:
    """From what a patch makes of an object to an object of the kind; may be called again for another attempt.

    Raises Invalid for what is none, and, if asked to be strict, for what is unknown or said twice.
    """
    strict = strictness.asked(request)
    repeated = in_patch(request) if strict != strictness.IGNORE else []
    before = len(request.warnings)

    def decoded(document: Any) -> Any:
        sent = json.encode(document) if strict == strictness.STRICT else b""
        try:
            obj, unknown = decode.value(kind, document)
        except BadRequest as error:
            raise unfit(json.encode(document), error.message.partition(": ")[2] or error.message) from None
        del request.warnings[before:]
        found = [*repeated, *strictness.unknown_fields(unknown)]
        if found and strict == strictness.STRICT:
            raise unfit(sent, strictness.told(found))
        if strict == strictness.WARN:
            strictness.warn(request, found)
        return obj

    return decoded


def in_patch(request: Request) -> list[str]:
    """What the patch itself says twice, and of a JSON patch what its operations do not know."""
    body, operations = request.exchange.body, media_of(request) == JSON_PATCH
    if not operations and not mistyped.may_have_duplicates(body):
        return []
    return strictness.in_patch(body, operations=operations)


def refused(error: CodecError) -> ApiError:
    """A patch that is no patch, or does not fit, with the code, reason and details upstream gives it."""
    made = errors.BY_REASON.get(error.reason, ApiError)
    return made(str(error), code=error.code, reason=error.reason, details=getattr(error, "details", None))


def unfit(sent: bytes, why: str) -> errors.Invalid:
    """422 for a patch whose result, as JSON, is no object of its kind."""
    shown = json.encode(sent.decode()).decode()
    return errors.invalid("", "", "", [FieldError(errors.INVALID, "patch", f"Invalid value: {shown}: {why}")])


async def _apply(request: Request) -> Response:
    """Server-side apply (KEP-555)."""
    if not request.parameter("fieldManager"):
        wrong = [FieldError(errors.REQUIRED, "fieldManager", "Required value: is required for apply patch")]
        raise errors.invalid("meta.k8s.io", "PatchOptions", "", wrong)
    managedfields.check_manager(request)
    force = truthy(request.target.parameters.get("force"))
    try:
        wanted = await heavy.work(request, managedfields.configuration, request)
    except CodecError as error:
        raise refused(error) from None

    def merge(old: Any, entry: Entry | None) -> Any:
        try:
            return managedfields.apply(request, old, wanted, force=force)
        except CodecError as error:
            raise refused(error) from None

    try:
        return object_answer(request, await change(request, merge, applied=True))
    except NotFound:
        if request.target.subresource:
            raise
    obj = merge(None, None)
    if obj.metadata.uid:
        target = request.target
        why = f"uid mismatch: the provided object specified uid {obj.metadata.uid}, and no existing object was found"
        raise errors.conflict(target.group, target.plural, target.name, why)
    return object_answer(request, await create_object(request, obj, applied=True), 201)
