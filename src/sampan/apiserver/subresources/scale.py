"""`scale`: the replicas of anything that has some, in one form (autoscaling/v1 Scale)."""

from __future__ import annotations

from typing import Any

from sampan.api import errors, schema
from sampan.api.errors import BadRequest, FieldError
from sampan.api.kinds import autoscaling_v1, meta_v1
from sampan.apiserver import decode, stored
from sampan.apiserver.answers import struct_answer
from sampan.apiserver.http.exchange import Response
from sampan.apiserver.request import Request
from sampan.apiserver.subresources import kinds
from sampan.apiserver.verbs.change import change
from sampan.apiserver.verbs.get import find
from sampan.apiserver.verbs.patch import decoder, media_of, prepared, refused
from sampan.apiserver.write import Write
from sampan.codec import json
from sampan.codec.errors import CodecError
from sampan.store.cache import Entry


def get(request: Request) -> Response:
    """200 with the Scale. Raises NotFound."""
    entry = find(request)
    scale = scale_of(stored.from_bytes(request.kind, entry.data), entry.revision)
    return struct_answer(request, scale, table_as=kinds.scale())


async def update(request: Request) -> Response:
    """200 with the Scale as it is now. Raises as `change`."""
    wanted = decode.body(request, kinds.scale())

    def replace(obj: Any, entry: Entry) -> Any:
        return _scaled(obj, wanted)

    return _answer(request, await change(request, replace, view=AsScale()))


async def patch(request: Request) -> Response:
    """200 with the Scale as it is now; the patch is one of the Scale."""
    media = media_of(request)
    kind = kinds.scale()
    decoded = decoder(request, kind)
    try:
        merge = prepared(request, media, schema.info(kind.struct))
    except CodecError as error:
        raise refused(error) from None

    def apply(obj: Any, entry: Entry) -> Any:
        before = json.decode(kind.encode(scale_of(obj, entry.revision)))
        try:
            document = merge(before)
        except CodecError as error:
            raise refused(error) from None
        wanted = decoded(document)
        if wanted.metadata.resourceVersion == str(entry.revision):
            wanted.metadata.resourceVersion = None
        return _scaled(obj, wanted)

    return _answer(request, await change(request, apply, view=AsScale()))


class AsScale:
    """Admission is shown the Scale, before and after, and may change how many replicas it asks for."""

    def show(self, write: Write) -> Write:
        new, old = (scale_of(obj, write.revision) for obj in (write.new, write.old))
        return Write(write.request, write.operation, new=new, old=old, revision=write.revision, kind=kinds.scale())

    def carry(self, write: Write, shown: Write) -> None:
        write.new.spec.replicas = shown.new.spec.replicas or 0


def scale_of(obj: Any, revision: int) -> Any:
    """The Scale of an object."""
    meta = obj.metadata
    status = obj.status
    return autoscaling_v1.Scale(
        kind="Scale",
        apiVersion="autoscaling/v1",
        metadata=meta_v1.ObjectMeta(
            name=meta.name,
            namespace=meta.namespace,
            uid=meta.uid,
            resourceVersion=str(revision),
            creationTimestamp=meta.creationTimestamp,
        ),
        spec=autoscaling_v1.ScaleSpec(replicas=obj.spec.replicas or None),
        status=autoscaling_v1.ScaleStatus(
            replicas=(status.replicas or 0) if status is not None else 0,
            selector=selector_text(obj.spec.selector) or None,
        ),
    )


def selector_text(selector: Any) -> str:
    """A selector (LabelSelector, or a map of labels) in its text form."""
    if selector is None:
        return ""
    if isinstance(selector, dict):
        return ",".join(f"{k}={v}" for k, v in sorted(selector.items()))
    terms = [(k, f"{k}={v}") for k, v in (selector.matchLabels or {}).items()]
    for e in selector.matchExpressions or ():
        values = ",".join(sorted(e.values or ()))
        text = {"Exists": e.key, "DoesNotExist": f"!{e.key}"}.get(
            e.operator, f"{e.key} {e.operator.lower()} ({values})"
        )
        terms.append((e.key, text))
    return ",".join(text for _, text in sorted(terms))


def _scaled(obj: Any, wanted: Any) -> Any:
    """`obj` with the replicas wanted. Raises BadRequest and Invalid."""
    meta = wanted.metadata
    if meta is not None and meta.name and meta.name != obj.metadata.name:
        raise BadRequest(
            f"the name of the object ({meta.name}) does not match the name on the URL ({obj.metadata.name})"
        )
    replicas = (wanted.spec.replicas if wanted.spec is not None else None) or 0
    if replicas < 0:
        text = f"Invalid value: {replicas}: must be greater than or equal to 0"
        raise errors.invalid(
            "autoscaling", "Scale", obj.metadata.name, [FieldError(errors.INVALID, "spec.replicas", text)]
        )
    obj.spec.replicas = replicas
    obj.metadata.resourceVersion = meta.resourceVersion if meta is not None else None
    return obj


def _answer(request: Request, data: bytes) -> Response:
    obj = stored.from_bytes(request.kind, data)
    return struct_answer(request, scale_of(obj, int(obj.metadata.resourceVersion or 0)))
