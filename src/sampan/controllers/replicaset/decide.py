"""What a ReplicaSet or ReplicationController needs next: pods to create or delete, and its status. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sampan.api.kinds import apps_v1, core_v1
from sampan.controllers import conditions
from sampan.controllers import pods as pod_facts
from sampan.controllers.deployment.revisions import DESIRED
from sampan.controllers.replicaset import ranking

BURST = 500
"""Most pods created or deleted in one go; the rest follows in the next."""

STATUSES = {
    "ReplicaSet": (apps_v1.ReplicaSetStatus, apps_v1.ReplicaSetCondition),
    "ReplicationController": (core_v1.ReplicationControllerStatus, core_v1.ReplicationControllerCondition),
}


@dataclass(frozen=True)
class Plan:
    create: int = 0
    delete: list[Any] = field(default_factory=list)


def plan(owner: Any, pods: Sequence[Any], related: Callable[[], Iterable[Any]], now: float) -> Plan:
    """`pods` are the owner's own; those ended or ending count for nothing. `related` gives those of the sibling sets,
    asked only when there are too many. An owner being deleted plans nothing."""
    if owner.metadata.deletionTimestamp is not None:
        return Plan()
    active = [pod for pod in pods if pod_facts.is_active(pod)]
    missing = desired(owner) - len(active)
    if missing > 0:
        return Plan(create=min(missing, BURST))
    if missing < 0:
        return Plan(delete=ranking.to_delete(min(-missing, BURST), active, related(), now))
    return Plan()


def desired(owner: Any) -> int:
    replicas = owner.spec.replicas
    return 1 if replicas is None else int(replicas)


def crowd(owner: Any) -> int:
    """How many pods the work is about: during a rollout those of the Deployment, of which the set has a part."""
    noted = (owner.metadata.annotations or {}).get(DESIRED, "")
    return max(desired(owner), int(noted) if noted.isdecimal() else 0)


def status(owner: Any, pods: Sequence[Any], failure: tuple[str, str] | None, now: float) -> Any:
    """The status as it should read; `failure` is (reason, message) of a create or delete that failed just now."""
    struct, condition = STATUSES[owner.kind]
    active = [pod for pod in pods if pod_facts.is_active(pod)]
    template = owner.spec.template
    labels = ((template.metadata.labels if template and template.metadata else None) or {}).items()
    minimum = owner.spec.minReadySeconds or 0
    made = struct(
        replicas=len(active),
        fullyLabeledReplicas=sum(labels <= (pod.metadata.labels or {}).items() for pod in active) or None,
        readyReplicas=sum(map(pod_facts.is_ready, active)) or None,
        availableReplicas=sum(pod_facts.is_available(pod, minimum, now) for pod in active) or None,
        observedGeneration=owner.metadata.generation,
    )
    if owner.kind == "ReplicaSet":
        made.terminatingReplicas = sum(map(pod_facts.is_terminating, pods))
    before = owner.status.conditions if owner.status else None
    if failure is None:
        made.conditions = conditions.without(before, "ReplicaFailure") or None
    else:
        made.conditions = conditions.put(before, condition, "ReplicaFailure", "True", *failure, now)
    return made


def settled(owner: Any, status: Any) -> bool:
    """Whether the status says that all pods asked for are there and available."""
    return status is not None and (status.replicas or 0) == (status.availableReplicas or 0) == desired(owner)


def next_look(owner: Any, pods: Sequence[Any], now: float) -> float | None:
    """Seconds until a ready pod becomes available by mere passing of time."""
    active = [pod for pod in pods if pod_facts.is_active(pod)]
    return pod_facts.next_available(active, owner.spec.minReadySeconds or 0, now)
