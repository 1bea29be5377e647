"""What controllers ask of a pod: is it active, ready, available, and since when. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sampan.aio.clock import parse_timestamp
from sampan.api.kinds import core_v1, meta_v1
from sampan.controllers.ownership import reference_to

ENDED = ("Succeeded", "Failed")


def phase(pod: Any) -> str:
    return (pod.status.phase if pod.status else None) or "Pending"


def is_active(pod: Any) -> bool:
    """Neither ended nor being deleted."""
    return pod.metadata.deletionTimestamp is None and phase(pod) not in ENDED


def is_terminating(pod: Any) -> bool:
    """Being deleted and not ended yet."""
    return pod.metadata.deletionTimestamp is not None and phase(pod) not in ENDED


def condition(pod: Any, type: str) -> Any:
    for item in (pod.status.conditions if pod.status else None) or ():
        if item.type == type:
            return item
    return None


def is_ready(pod: Any) -> bool:
    ready = condition(pod, "Ready")
    return ready is not None and ready.status == "True"


def ready_since(pod: Any) -> float:
    """Epoch seconds at which the pod became ready; 0 when it is not or does not say."""
    ready = condition(pod, "Ready")
    if ready is None or ready.status != "True" or not ready.lastTransitionTime:
        return 0.0
    return parse_timestamp(ready.lastTransitionTime)


def ended_at(pod: Any) -> float:
    """Epoch seconds at which the pod's last container ended; what comes nearest when it does not say."""
    statuses = (pod.status.containerStatuses if pod.status else None) or ()
    ends = [one.state.terminated.finishedAt for one in statuses if one.state and one.state.terminated]
    ready = condition(pod, "Ready")
    turned = ready.lastTransitionTime if ready is not None else None
    moment = max(filter(None, ends), default=None) or pod.metadata.deletionTimestamp or turned
    return parse_timestamp(moment or pod.metadata.creationTimestamp)


def available_in(pod: Any, min_ready_seconds: int, now: float) -> float | None:
    """Seconds until the pod counts as available: 0 when it does, None when it is not ready."""
    if not is_ready(pod):
        return None
    if not min_ready_seconds:
        return 0.0
    return max(0.0, ready_since(pod) + min_ready_seconds - now)


def is_available(pod: Any, min_ready_seconds: int, now: float) -> bool:
    return available_in(pod, min_ready_seconds, now) == 0.0


def next_available(pods: Iterable[Any], min_ready_seconds: int, now: float) -> float | None:
    """Seconds until the next of the ready pods becomes available, None when none is waiting for that."""
    waits = [wait for pod in pods if (wait := available_in(pod, min_ready_seconds, now))]
    return min(waits, default=None)


def from_template(template: Any, owner: Any) -> Any:
    """A pod as the template describes it, controlled by `owner`, with a generateName."""
    metadata = template.metadata or meta_v1.ObjectMeta()
    return core_v1.Pod(
        metadata=meta_v1.ObjectMeta(
            generateName=f"{owner.metadata.name}-",
            namespace=owner.metadata.namespace,
            labels=dict(metadata.labels) if metadata.labels else None,
            annotations=dict(metadata.annotations) if metadata.annotations else None,
            finalizers=list(metadata.finalizers) if metadata.finalizers else None,
            ownerReferences=[reference_to(owner)],
        ),
        spec=template.spec,
    )
