"""Which pod goes first when something is short: pure.

Of memory and disk: pods that use more than they requested before those that do not, then the lower priority, then by
how much they use beyond their request. Of process ids, which nobody requests: the lower priority, then the most
processes ("Pod selection for kubelet eviction").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sampan.api import quantity
from sampan.kubelet.amounts import container_amount, in_bytes, pod_amounts
from sampan.kubelet.eviction.signals import SIGNALS, Observation
from sampan.kubelet.eviction.thresholds import Threshold, amount_of
from sampan.kubelet.qos import CRITICAL_PRIORITY
from sampan.kubelet.spec import all_containers
from sampan.kubelet.static.marks import is_mirror, is_static


@dataclass(frozen=True, slots=True, kw_only=True)
class PodUsage:
    """What a pod uses: bytes of memory and disk, inodes, processes; `containers` the same bytes by container."""

    pod: Any
    memory: int = 0
    disk: int = 0
    inodes: int = 0
    processes: int = 0
    memory_of: dict[str, int] = field(default_factory=dict)
    disk_of: dict[str, int] = field(default_factory=dict)

    def of(self, resource: str) -> int:
        return {
            "memory": self.memory,
            "ephemeral-storage": self.disk,
            "inodes": self.inodes,
            "pids": self.processes,
        }[resource]

    def of_containers(self, resource: str) -> dict[str, int]:
        return {"memory": self.memory_of, "ephemeral-storage": self.disk_of}.get(resource, {})


def is_critical(pod: Any) -> bool:
    """Pods that are never evicted: static ones, and those the node or the cluster cannot be without."""
    return is_static(pod) or is_mirror(pod) or (pod.spec.priority or 0) >= CRITICAL_PRIORITY


def ranked(usages: Iterable[PodUsage], resource: str) -> list[PodUsage]:
    """Those that may be evicted for want of the resource, the first to go first."""
    candidates = [usage for usage in usages if not is_critical(usage.pod)]
    if resource == "pids":
        return sorted(candidates, key=lambda u: (priority(u), -u.processes))
    requested = {id(usage): in_bytes(pod_amounts(usage.pod, "requests"), resource) for usage in candidates}
    return sorted(
        candidates,
        key=lambda u: (u.of(resource) <= requested[id(u)], priority(u), requested[id(u)] - u.of(resource)),
    )


def priority(usage: PodUsage) -> int:
    return usage.pod.spec.priority or 0


def message(threshold: Threshold, seen: Observation, usage: PodUsage) -> str:
    """Why the pod had to go, in upstream's words."""
    resource = SIGNALS[threshold.signal].resource
    text = (
        f"The node was low on resource: {resource}. "
        f"Threshold quantity: {shown(amount_of(threshold.value, seen.capacity), resource)}, "
        f"available: {shown(seen.available, resource)}. "
    )
    return text + "".join(greedy(usage, resource))


def greedy(usage: PodUsage, resource: str) -> Sequence[str]:
    """A sentence for each container that used more than it asked for."""
    found = []
    for container in all_containers(usage.pod):
        used = usage.of_containers(resource).get(container.name, 0)
        asked = quantity.units(container_amount(container, "requests", resource))
        if used > asked:
            amounts = f"was using {shown(used, resource)}, request is {shown(asked, resource)}"
            found.append(f"Container {container.name} {amounts}, has larger consumption of {resource}. ")
    return found


def shown(amount: int, resource: str) -> str:
    """Bytes in whole Ki, as people read them; counts as they are."""
    if resource in ("memory", "ephemeral-storage") and amount >= 1024:
        return quantity.canonical(f"{amount // 1024}Ki")
    return str(amount)
