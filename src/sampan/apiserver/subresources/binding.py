"""`pods/binding` and the older `bindings`: a scheduler says on which node a pod runs.

Once: a pod that has a node keeps it, so two schedulers cannot both win.
"""

from __future__ import annotations

from typing import Any

from sampan.aio.clock import timestamp
from sampan.api import errors
from sampan.api.errors import FieldError
from sampan.api.kinds import core_v1, meta_v1
from sampan.apiserver import decode, metadata
from sampan.apiserver.answers import struct_answer
from sampan.apiserver.auth.authenticator import settled
from sampan.apiserver.http.exchange import Response
from sampan.apiserver.request import Request
from sampan.apiserver.verbs.change import modify
from sampan.apiserver.write import CREATE, Write

GATED = "has non-empty .spec.schedulingGates"


async def bind(request: Request) -> Response:
    """201 with a Status. Raises NotFound, Conflict and Invalid."""
    registry = request.server.registry
    kind = registry.kind("v1", "Binding")
    binding = decode.body(request, kind)
    meta = metadata.ensure(binding)
    name = request.target.name or meta.name or ""
    if meta.name and meta.name != name:
        raise errors.BadRequest("name in URL does not match name in Binding object")
    write, admission = Write(request, CREATE, new=binding, name=name, kind=kind), request.server.admission
    await settled(admission.mutate(write))
    _check(binding, name)
    await settled(admission.validate(write))
    now = timestamp(request.server.clock.now())
    pods = registry.kind("v1", "Pod")
    await modify(request, pods, name, lambda pod, entry: assign(pod, binding, now))
    status = meta_v1.Status(kind="Status", apiVersion="v1", metadata=meta_v1.ListMeta(), status="Success", code=201)
    return struct_answer(request, status, 201)


def _check(binding: Any, name: str) -> None:
    wrong = []
    target = binding.target
    kind, node = (target.kind, target.name) if target is not None else (None, None)
    if kind not in (None, "", "Node"):
        text = f'Unsupported value: "{kind}": supported values: "Node", "<empty>"'
        wrong.append(FieldError(errors.NOT_SUPPORTED, "target.kind", text))
    if not node:
        wrong.append(FieldError(errors.REQUIRED, "target.name", "Required value"))
    if wrong:
        raise errors.invalid("", "Binding", name, wrong)


def assign(pod: Any, binding: Any, now: str) -> Any:
    """The pod with the node. Raises Conflict when it must not be bound."""
    meta, name = pod.metadata, pod.metadata.name
    wanted = binding.metadata
    why = ""
    if wanted.uid and wanted.uid != meta.uid:
        why = f"Precondition failed: UID in precondition: {wanted.uid}, UID in object meta: {meta.uid}"
    elif meta.deletionTimestamp is not None:
        why = f"pod {name} is being deleted, cannot be assigned to a host"
    elif pod.spec.nodeName:
        why = f'pod {name} is already assigned to node "{pod.spec.nodeName}"'
    elif pod.spec.schedulingGates:
        why = f"pod {name} {GATED}"
    if why:
        raise errors.conflict("", "pods/binding", name, why)
    pod.spec.nodeName = binding.target.name
    for field in ("annotations", "labels"):
        added = getattr(wanted, field)
        if added:
            setattr(meta, field, {**(getattr(meta, field) or {}), **added})
    set_condition(pod, "PodScheduled", "True", now)
    return pod


def set_condition(pod: Any, type_: str, status: str, now: str, *, reason: str = "", message: str = "") -> None:
    """Set one of the pod's conditions; its transition time only moves when its status does."""
    if pod.status is None:
        pod.status = core_v1.PodStatus()
    conditions = pod.status.conditions = list(pod.status.conditions or [])
    current = next((c for c in conditions if c.type == type_), None)
    if current is None:
        current = core_v1.PodCondition(type=type_)
        conditions.append(current)
    if current.status != status:
        current.status, current.lastTransitionTime = status, now
    current.reason, current.message = reason or None, message or None
