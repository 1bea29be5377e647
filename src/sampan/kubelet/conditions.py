"""A pod's conditions, from its containers' statuses: pure ("Pod Lifecycle", pod conditions).

The kubelet owns those in OWNED; all others belong to someone else and are left as they are. A condition keeps its
transition time as long as its status stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sampan.aio.clock import timestamp
from sampan.api.kinds import core_v1
from sampan.kubelet.memory import Memory
from sampan.kubelet.observed import Observed
from sampan.kubelet.phase import TERMINAL
from sampan.kubelet.resize.decide import pod_unset, unset
from sampan.kubelet.restarts import Round, is_sidecar
from sampan.kubelet.spec import init_containers

RESIZE = ("PodResizePending", "PodResizeInProgress")
OWNED = (
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
    "AllContainersRestarting",
    *RESIZE,
)


def conditions_of(
    pod: Any, phase: str, init: Sequence[Any], apps: Sequence[Any], *, sandbox_ready: bool, round_: Round, now: float
) -> list[Any]:
    """The conditions the kubelet owns, in their order in OWNED, with transition times kept from the pod's status."""
    containers_ready = ready_containers(pod, phase, init, apps)
    found = [
        condition("PodReadyToStartContainers", sandbox_ready),
        initialized(pod, phase, init, apps),
        ready(pod, containers_ready),
        containers_ready,
        condition("PodScheduled", True),
        *restarting(round_),
    ]
    known = {old.type: old for old in (pod.status.conditions if pod.status else None) or ()}
    for new in found:
        old = known.get(new.type)
        kept = old.lastTransitionTime if old is not None and old.status == new.status else None
        new.lastTransitionTime = kept or timestamp(now)
        new.observedGeneration = pod.metadata.generation
    return found


def resizing(pod: Any, seen: Observed, memory: Memory, known: Sequence[Any], now: float) -> list[Any]:
    """What has become of a resize: not allocated, or allocated and not yet set (KEP-1287)."""
    found = []
    if memory.resize_pending is not None:
        found.append(condition(RESIZE[0], True, *memory.resize_pending))
    if unset(pod, seen, memory) or pod_unset(pod, memory):
        error = memory.resize_error
        why = (error.reason, error.message) if error is not None else ()
        found.append(condition(RESIZE[1], True, *why))
    before = {c.type: c.lastTransitionTime for c in known if c.status == "True"}
    for made in found:
        made.lastTransitionTime = before.get(made.type) or timestamp(now)
        made.observedGeneration = pod.metadata.generation
    return found


def disruption(ending: Any, known: Sequence[Any], now: float) -> list[Any]:
    """The DisruptionTarget condition of a pod that the node ends (KEP-3329); none for any other."""
    if ending is None or not ending.disruption:
        return []
    found = condition("DisruptionTarget", True, ending.disruption, ending.message)
    old = next((c for c in known if c.type == found.type and c.status == "True"), None)
    found.lastTransitionTime = old.lastTransitionTime if old is not None else timestamp(now)
    return [found]


def condition(type_: str, value: bool, reason: str | None = None, message: str | None = None) -> Any:
    return core_v1.PodCondition(type=type_, status="True" if value else "False", reason=reason, message=message)


def restarting(round_: Round) -> list[Any]:
    """AllContainersRestarting (KEP-5532), for pods that have ever done so."""
    cause = round_.cause
    if cause is not None:
        text = f"Container {cause.name} exited with code {cause.exit_code}, triggering pod restart"
        return [condition("AllContainersRestarting", True, "ContainerExited", text)]
    return [condition("AllContainersRestarting", False)] if round_.number else []


def initialized(pod: Any, phase: str, init: Sequence[Any], apps: Sequence[Any]) -> Any:
    if phase == "Succeeded":
        return condition("Initialized", True, "PodCompleted")
    if any(status.containerID for status in apps):
        return condition("Initialized", True)
    missing = [
        status.name
        for spec, status in zip(init_containers(pod), init, strict=True)
        if not (status.started if is_sidecar(spec) else status.ready)
    ]
    if not missing:
        return condition("Initialized", True)
    return condition("Initialized", False, "ContainersNotInitialized", listed("incomplete", missing))


def ready_containers(pod: Any, phase: str, init: Sequence[Any], apps: Sequence[Any]) -> Any:
    if phase in TERMINAL:
        return condition("ContainersReady", False, "PodCompleted" if phase == "Succeeded" else "PodFailed")
    sidecars = [status for spec, status in zip(init_containers(pod), init, strict=True) if is_sidecar(spec)]
    unready = [status.name for status in [*sidecars, *apps] if not status.ready]
    if unready:
        return condition("ContainersReady", False, "ContainersNotReady", listed("unready", unready))
    return condition("ContainersReady", True)


def ready(pod: Any, containers_ready: Any) -> Any:
    """Ready is ContainersReady and every readiness gate (KEP-580)."""
    if containers_ready.status != "True":
        return condition("Ready", False, containers_ready.reason, containers_ready.message)
    known = {c.type: c.status for c in (pod.status.conditions if pod.status else None) or ()}
    gates = [gate.conditionType for gate in pod.spec.readinessGates or ()]
    wrong = [gate for gate in gates if known.get(gate) != "True"]
    if not wrong:
        return condition("Ready", True)
    texts = [
        f'corresponding condition of pod readiness gate "{gate}" '
        + (f'does not have status "True", it has status "{known[gate]}"' if gate in known else "does not exist.")
        for gate in wrong
    ]
    return condition("Ready", False, "ReadinessGatesNotReady", texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]")


def listed(what: str, names: Sequence[str]) -> str:
    return f"containers with {what} status: [{' '.join(names)}]"
