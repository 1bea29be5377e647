"""From requests and limits to what the runtime sets on a cgroup, and the cgroup's name."""

from __future__ import annotations

from typing import Any

from sampan.api import quantity
from sampan.cri.messages import pb
from sampan.kubelet.qos import oom_score, qos_class

CPU_PERIOD = 100_000  # microseconds
SMALLEST_QUOTA = 1000
SMALLEST_SHARES = 2
LARGEST_SHARES = 262_144
SHARES_PER_CPU = 1024
HUGE = "hugepages-"


def cpu_shares(milli: int) -> int:
    """The weight for that many millicores (cgroup v1's scale; the runtime converts for v2)."""
    return min(max(milli * SHARES_PER_CPU // 1000, SMALLEST_SHARES), LARGEST_SHARES)


def cpu_quota(milli: int) -> int:
    """Microseconds per period for a limit in millicores; 0 for none."""
    return max(milli * CPU_PERIOD // 1000, SMALLEST_QUOTA) if milli else 0


def container_resources(pod: Any, container: Any, node_memory: int) -> Any:
    """The LinuxContainerResources of a container; `node_memory` in bytes."""
    requests = (container.resources.requests if container.resources else None) or {}
    limits = (container.resources.limits if container.resources else None) or {}
    cpu_limit = quantity.milli(limits.get("cpu"))
    # A limit without a request is also the request; defaulting has usually said so already.
    cpu_request = quantity.milli(requests.get("cpu", limits.get("cpu")))
    huge = [
        pb.HugepageLimit(page_size=page_size(name), limit=quantity.units(amount))
        for name, amount in sorted(limits.items())
        if name.startswith(HUGE)
    ]
    return pb.LinuxContainerResources(
        cpu_period=CPU_PERIOD,
        cpu_quota=cpu_quota(cpu_limit),
        cpu_shares=cpu_shares(cpu_request),
        memory_limit_in_bytes=quantity.units(limits.get("memory")),
        oom_score_adj=oom_score(pod, container, node_memory),
        hugepage_limits=huge,
    )


def page_size(name: str) -> str:
    """`hugepages-2Mi` is `2MB` to the runtime."""
    return name.removeprefix(HUGE).replace("i", "") + "B"


def cgroup_parent(pod: Any, *, driver: str, root: str = "kubepods") -> str:
    """The pod's cgroup as the runtime wants it named: a path, or with systemd the slices that nest to it."""
    quality = qos_class(pod).lower()
    middle = [] if quality == "guaranteed" else [quality]
    uid = pod.metadata.uid
    if driver != "systemd":
        return "/" + "/".join([root, *middle, f"pod{uid}"])
    parts = [root, *middle, f"pod{uid.replace('-', '_')}"]
    slices = ["-".join(parts[: depth + 1]) + ".slice" for depth in range(len(parts))]
    return "/" + "/".join(slices)
