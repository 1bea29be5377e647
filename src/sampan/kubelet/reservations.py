"""What of the node pods may have: pure ("Reserve Compute Resources for System Daemons").

    allocatable = capacity - kubeReserved - systemReserved - the hard eviction thresholds

The scheduler fills a node up to that. The cgroup over all pods is held to the capacity less the reservations alone, so
that eviction comes before the kernel's OOM killer.
"""

from __future__ import annotations

from collections.abc import Mapping

from sampan.api import quantity
from sampan.api.quantity import Quantity
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.eviction.thresholds import amount_of

ZERO = quantity.parse("0")
KEPT_FREE = {"memory": "memory.available", "ephemeral-storage": "nodefs.available"}
"""The eviction signal that keeps some of a resource free."""


def reserved(config: KubeletConfig) -> dict[str, Quantity]:
    """What the configuration keeps from pods, by resource."""
    found: dict[str, Quantity] = {}
    for listed in (config.kube_reserved, config.system_reserved):
        for name, amount in listed.items():
            found[name] = found.get(name, ZERO) + quantity.parse(amount)
    return found


def for_pods(config: KubeletConfig, capacity: Mapping[str, str], pids: int = 0) -> dict[str, Quantity]:
    """What all pods may use together; `pids` are the process ids the machine has, 0 where unknown."""
    kept = reserved(config)
    whole = {name: quantity.parse(amount) for name, amount in capacity.items()}
    if pids:
        whole["pid"] = quantity.parse(pids)
    return {name: less(amount, kept.get(name, ZERO)) for name, amount in whole.items()}


def allocatable(config: KubeletConfig, capacity: Mapping[str, str]) -> dict[str, str]:
    """What the scheduler may give away, never below zero. Of memory, huge pages are no part."""
    left = for_pods(config, capacity)
    for name, signal in KEPT_FREE.items():
        if signal in config.eviction_hard and name in left:
            total = quantity.parse(capacity[name])
            kept = Quantity(total.value * 0 + amount_of(config.eviction_hard[signal], int(total.value)), "binary")
            left[name] = less(left[name], kept)
    huge = sum((a.value for name, a in left.items() if name.startswith("hugepages-")), start=ZERO.value)
    if "memory" in left and huge:
        left["memory"] = less(left["memory"], Quantity(huge, "binary"))
    return {name: str(amount) for name, amount in left.items()}


def less(amount: Quantity, taken: Quantity) -> Quantity:
    return amount - taken if taken < amount else Quantity(ZERO.value, amount.family)
