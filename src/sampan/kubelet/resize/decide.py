"""Whether a resize fits, and what is still to be set on a pod's cgroups: pure (KEP-1287)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sampan.api import quantity
from sampan.kubelet.amounts import pod_amounts
from sampan.kubelet.memory import Memory
from sampan.kubelet.observed import Container, Observed
from sampan.kubelet.phase import TERMINAL
from sampan.kubelet.podadmission import counted
from sampan.kubelet.resize.amounts import POD, RESIZABLE, Amounts, amounts, changed
from sampan.kubelet.spec import container_by_name
from sampan.kubelet.static.marks import is_mirror, is_static

DEFERRED, INFEASIBLE = "Deferred", "Infeasible"


@dataclass(frozen=True, slots=True)
class Refusal:
    """`reason` is Deferred (it may fit later) or Infeasible (this node never can)."""

    reason: str
    message: str


def judged(
    wanted: Any, others: Iterable[Any], allocatable: Mapping[str, str], *, exclusive_cpus: bool = False
) -> Refusal | None:
    """Why the pod cannot have what it asks for; None when it can. `others` are the node's other pods as allocated.

    `exclusive_cpus` says that the pod holds processors of its own, which are not resized.
    """
    if is_static(wanted) or is_mirror(wanted):
        return Refusal(INFEASIBLE, "In-place resize of static-pods is not supported")
    if exclusive_cpus:
        text = "In-place resize is not supported for Guaranteed Pods alongside CPU Manager static policy"
        return Refusal(INFEASIBLE, text)
    asked = pod_amounts(wanted, "requests")
    running = [pod for pod in others if not (pod.status is not None and pod.status.phase in TERMINAL)]
    for name in RESIZABLE:
        if name not in asked or name not in allocatable:
            continue
        needed, there = counted(name, asked[name]), counted(name, quantity.parse(allocatable[name]))
        if needed > there:
            text = f"Node didn't have enough capacity: {name}, requested: {needed}, capacity: {there}"
            return Refusal(INFEASIBLE, text)
        used = sum(counted(name, pod_amounts(pod, "requests").get(name, quantity.parse("0"))) for pod in running)
        if needed > there - used:
            text = f"Node didn't have enough resource: {name}, requested: {needed}, used: {used}, capacity: {there}"
            return Refusal(DEFERRED, text)
    return None


def set_amounts(container: Container, memory: Memory) -> Amounts | None:
    """What is set on a running container: as it was made, or as it was last changed; None when nobody knows."""
    return memory.actuated.get(container.id, container.resources)


def unset(pod: Any, seen: Observed, memory: Memory) -> list[tuple[Any, Container, list[str]]]:
    """Running containers whose cgroup is not what is allocated: spec, container, and the resources that differ."""
    found = []
    for container in seen.latest.values():
        spec = container_by_name(pod, container.name) if container.state == "running" else None
        there = set_amounts(container, memory)
        if spec is None or there is None:
            continue
        names = changed(there, amounts(spec.resources))
        if names:
            found.append((spec, container, names))
    return found


def pod_unset(pod: Any, memory: Memory) -> bool:
    """Whether the pod's own amounts have changed since they were set."""
    there = memory.actuated.get(POD)
    return there is not None and bool(changed(there, amounts(pod.spec.resources)))


def needs_restart(spec: Any, names: Iterable[str]) -> bool:
    """Whether the container wants to be started anew when one of these resources changes."""
    policies = {policy.resourceName: policy.restartPolicy for policy in spec.resizePolicy or ()}
    return any(policies.get(name) == "RestartContainer" for name in names)
