"""Whether this node takes a pod that is bound to it: pure.

The scheduler has looked already, but what it knew may be old, and pods may be bound without it. A pod that was begun is
never asked again. Reasons and messages are upstream's, for controllers and people know them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sampan.api import quantity
from sampan.kubelet.amounts import pod_amounts
from sampan.kubelet.eviction.ranking import is_critical
from sampan.kubelet.phase import TERMINAL
from sampan.kubelet.qos import qos_class

MEMORY_TAINT = "node.kubernetes.io/memory-pressure"


@dataclass(frozen=True, slots=True)
class Rejection:
    reason: str
    message: str


def judged(
    pod: Any, others: Iterable[Any], allocatable: Mapping[str, str], pressures: Sequence[str]
) -> Rejection | None:
    """Why the node does not take the pod; None when it does. `others` are the pods that it has."""
    return under_pressure(pod, pressures) or wrong_system(pod) or too_large(pod, others, allocatable)


def under_pressure(pod: Any, pressures: Sequence[str]) -> Rejection | None:
    """Short of memory alone, pods that asked for some are still taken."""
    if not pressures or is_critical(pod):
        return None
    if list(pressures) == ["MemoryPressure"] and (qos_class(pod) != "BestEffort" or tolerates(pod, MEMORY_TAINT)):
        return None
    return Rejection("Evicted", f"The node had condition: [{' '.join(pressures)}]. ")


def tolerates(pod: Any, taint: str) -> bool:
    return any(
        t.key in (None, "", taint) and t.effect in (None, "", "NoSchedule") and (t.key or t.operator == "Exists")
        for t in pod.spec.tolerations or ()
    )


def wrong_system(pod: Any) -> Rejection | None:
    wanted = pod.spec.os.name if pod.spec.os is not None else "linux"
    if wanted == "linux":
        return None
    text = "Failed to admit pod as the OS field doesn't match node OS"
    return Rejection("PodOSNotSupported", text)


def too_large(pod: Any, others: Iterable[Any], allocatable: Mapping[str, str]) -> Rejection | None:
    """Whether the pod asks for more than the others have left."""
    running = [other for other in others if not is_over(other)]
    most = quantity.units(allocatable.get("pods"))
    if most and len(running) >= most:
        return Rejection("OutOfpods", shortage("pods", 1, len(running), most))
    used: dict[str, int] = {}
    for other in running:
        for name, amount in pod_amounts(other, "requests").items():
            used[name] = used.get(name, 0) + counted(name, amount)
    for name, amount in pod_amounts(pod, "requests").items():
        there = counted(name, quantity.parse(allocatable.get(name, "0")))
        wanted = counted(name, amount)
        if wanted and wanted > there - used.get(name, 0):
            return Rejection(f"OutOf{name}", shortage(name, wanted, used.get(name, 0), there))
    return None


def is_over(pod: Any) -> bool:
    return pod.status is not None and pod.status.phase in TERMINAL


def counted(name: str, amount: quantity.Quantity) -> int:
    return amount.milli if name == "cpu" else amount.units


def shortage(name: str, wanted: int, used: int, there: int) -> str:
    return f"Node didn't have enough resource: {name}, requested: {wanted}, used: {used}, capacity: {there}"
