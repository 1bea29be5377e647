"""What the scheduler remembers of a pod: some two hundred bytes in place of the whole object."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from sampan.aio.clock import parse_timestamp
from sampan.api.kinds import core_v1
from sampan.scheduler.census import Identity
from sampan.scheduler.needs import Needs

Hold = Literal["none", "nominated", "assumed", "bound"]
"""Why a pod's resources are taken: room was made for it, its binding is on the way, or it is bound."""

FINISHED = ("Succeeded", "Failed")
NOWHERE = -1


@dataclass(slots=True, eq=False, kw_only=True)
class PodRecord:
    """A pod as scheduling sees it. `row` is the row of the node table that it is counted in, or NOWHERE.

    `hold` says why it is counted there, `node` is that node's name. `nominated` is the node that its status names.
    `created` and `started` are seconds since the epoch; `told` is the last message its PodScheduled condition was
    given. The fields from `attempts` on belong to the queue; there, times are monotonic.
    """

    namespace: str
    name: str
    uid: str
    needs: Needs
    identity: Identity
    priority: int = 0
    preempts: bool = True
    created: float = 0.0
    started: float = 0.0
    terminating: bool = False
    generation: int | None = None
    node: str = ""
    row: int = NOWHERE
    hold: Hold = "none"
    nominated: str = ""
    told: str = ""
    attempts: int = 0
    queued: float = 0.0
    where: str = ""
    due: float = 0.0
    sequence: int = 0
    group: Any = field(default=None, repr=False)

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    def reference(self) -> Any:
        """The `core_v1.ObjectReference` that events about the pod carry."""
        return core_v1.ObjectReference(
            apiVersion="v1", kind="Pod", namespace=self.namespace, name=self.name, uid=self.uid
        )


def finished(pod: Any) -> bool:
    """Whether a `core_v1.Pod` has ended and holds nothing any more."""
    return pod.status is not None and pod.status.phase in FINISHED


def gated(pod: Any) -> bool:
    """Whether a `core_v1.Pod` is held back by scheduling gates (KEP-3521)."""
    return bool(pod.spec.schedulingGates)


def record(pod: Any, needs: Needs, identity: Identity) -> PodRecord:
    """The record of a `core_v1.Pod` that is counted nowhere yet."""
    meta, spec, status = pod.metadata, pod.spec, pod.status
    return PodRecord(
        namespace=meta.namespace or "default",
        name=meta.name,
        uid=meta.uid or "",
        needs=needs,
        identity=identity,
        priority=spec.priority or 0,
        preempts=spec.preemptionPolicy != "Never",
        created=seconds(meta.creationTimestamp),
        started=seconds(status and status.startTime),
        terminating=meta.deletionTimestamp is not None,
        generation=meta.generation,
        nominated=(status and status.nominatedNodeName) or "",
        told=condition_message(pod),
    )


def owner_of(pod: Any) -> str:
    """The uid of the controller that made the pod, or ""."""
    for reference in pod.metadata.ownerReferences or ():
        if reference.controller:
            return reference.uid or ""
    return ""


def condition_message(pod: Any) -> str:
    """What the pod's PodScheduled condition says when it is False for want of a node."""
    for condition in (pod.status and pod.status.conditions) or ():
        if condition.type == "PodScheduled" and condition.status == "False" and condition.reason == "Unschedulable":
            return condition.message or ""
    return ""


def seconds(text: str | None) -> float:
    return parse_timestamp(text) if text else 0.0
