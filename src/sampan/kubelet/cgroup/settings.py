"""What is set on the cgroups of a pod, of a class of pods and of all pods: pure.

(KEP-2221, "Reserve Compute Resources", "Process ID Limits And Reservations".) Memory requests are not set on cgroups:
MemoryQoS is off, as upstream. Swap stays with the containers: the runtime gives each exactly its memory limit (NoSwap).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sampan.api.quantity import Quantity
from sampan.kubelet.amounts import in_bytes, is_limited, milli_cpu, pod_amounts
from sampan.kubelet.qos import qos_class
from sampan.kubelet.resources import CPU_PERIOD, SMALLEST_SHARES, cpu_quota, cpu_shares, huge_pages

UNLIMITED = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """0 leaves a value as it is; -1 is no limit. `cpu_shares` on cgroup v1's scale, `cpu_quota` and `cpu_period` in
    microseconds, memory and huge pages (by page size, "2MB") in bytes."""

    cpu_shares: int = 0
    cpu_quota: int = 0
    cpu_period: int = 0
    memory: int = 0
    pids: int = 0
    hugepages: Mapping[str, int] = field(default_factory=dict)


def of_pod(pod: Any, *, pids: int = 0, quota: bool = True) -> Settings:
    """A limit holds for the pod only where everything in it has one; `quota` False sets no CPU limits (cpuCFSQuota)."""
    if qos_class(pod) == "BestEffort":
        return Settings(cpu_shares=SMALLEST_SHARES, pids=pids)
    requests, limits = pod_amounts(pod, "requests"), pod_amounts(pod, "limits")
    cpu = cpu_quota(milli_cpu(limits)) if quota and is_limited(pod, "cpu") else UNLIMITED
    return Settings(
        cpu_shares=cpu_shares(milli_cpu(requests) or milli_cpu(limits)),
        cpu_quota=cpu,
        cpu_period=CPU_PERIOD,
        memory=in_bytes(limits) if is_limited(pod, "memory") else UNLIMITED,
        pids=pids,
        hugepages=huge_pages(limits),
    )


def larger(one: Settings, other: Settings) -> Settings:
    """The wider of two limits, each by itself."""
    return replace(
        one,
        cpu_shares=max(one.cpu_shares, other.cpu_shares),
        cpu_quota=wider(one.cpu_quota, other.cpu_quota),
        memory=wider(one.memory, other.memory),
    )


def wider(one: int, other: int) -> int:
    return UNLIMITED if UNLIMITED in (one, other) else max(one, other)


def of_tiers(pods: Iterable[Any]) -> dict[str, Settings]:
    """By class: what all burstable pods asked for together, and the least there is for those that asked for nothing."""
    asked = sum(milli_cpu(pod_amounts(pod, "requests")) for pod in pods if qos_class(pod) == "Burstable")
    return {
        "Burstable": Settings(cpu_shares=cpu_shares(asked)),
        "BestEffort": Settings(cpu_shares=SMALLEST_SHARES),
    }


def of_node(available: Mapping[str, Quantity]) -> Settings:
    """What all pods together may have: the node's capacity less what is reserved for others."""
    pids = available.get("pid")
    return Settings(
        cpu_shares=cpu_shares(available["cpu"].milli) if "cpu" in available else 0,
        memory=available["memory"].units if "memory" in available else 0,
        pids=pids.units if pids is not None else 0,
        hugepages=huge_pages(available),
    )
