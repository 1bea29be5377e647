"""From requests and limits to what the runtime sets on a container's cgroup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sampan.api import quantity
from sampan.api.quantity import Quantity
from sampan.cri.messages import pb
from sampan.kubelet.eviction.ranking import is_critical
from sampan.kubelet.qos import amounts_of, oom_score, qos_class

CPU_PERIOD = 100_000  # microseconds
SMALLEST_QUOTA = 1000
SMALLEST_SHARES = 2
LARGEST_SHARES = 262_144
SHARES_PER_CPU = 1024
SWAP_V1, SWAP_V2 = "memory.memsw.limit_in_bytes", "memory.swap.max"
KILL_ALL = "memory.oom.group"
HUGE = "hugepages-"


def cpu_shares(milli: int) -> int:
    """The weight for that many millicores (cgroup v1's scale; the runtime converts for v2)."""
    return min(max(milli * SHARES_PER_CPU // 1000, SMALLEST_SHARES), LARGEST_SHARES)


def cpu_quota(milli: int) -> int:
    """Microseconds per period for a limit in millicores; 0 for none."""
    return max(milli * CPU_PERIOD // 1000, SMALLEST_QUOTA) if milli else 0


class Swap(NamedTuple):
    """How containers are kept from swapping: `file` is the kernel's, "" where it has none; `bytes` is what those that
    may (LimitedSwap) have together.

    With cgroup v1's file, memory and swap together are held to the memory limit, as none may; with v2's, swap itself.
    """

    file: str = ""
    bytes: int = 0


NO_SWAP = Swap()


def swap_bytes(pod: Any, container: Any, node_memory: int, swap: Swap) -> int:
    """How much a container may swap: of Burstable pods, in proportion to its memory request, unless that is its limit.

    (KEP-2400; of critical pods, none.)
    """
    request, limit = (amounts_of(container.resources, which).get("memory") for which in ("requests", "limits"))
    may = qos_class(pod) == "Burstable" and not is_critical(pod)
    if not may or request is None or request == limit:
        return 0
    return request.units * swap.bytes // node_memory


def container_resources(
    pod: Any, container: Any, node_memory: int, *, swap: Swap = NO_SWAP, kill_all: bool = False
) -> Any:
    """The LinuxContainerResources of a container; `node_memory` in bytes.

    `kill_all`: a container that is out of memory ends as a whole (cgroup v2).
    """
    requests = (container.resources.requests if container.resources else None) or {}
    limits = (container.resources.limits if container.resources else None) or {}
    cpu_limit = quantity.milli(limits.get("cpu"))
    # A limit without a request is also the request; defaulting has usually said so already.
    cpu_request = quantity.milli(requests.get("cpu", limits.get("cpu")))
    huge = huge_pages({name: quantity.parse(amount) for name, amount in limits.items()})
    limit = quantity.units(limits.get("memory"))
    swapping = {SWAP_V2: str(swap_bytes(pod, container, node_memory, swap))} if swap.file == SWAP_V2 else {}
    return pb.LinuxContainerResources(
        cpu_period=CPU_PERIOD,
        cpu_quota=cpu_quota(cpu_limit),
        cpu_shares=cpu_shares(cpu_request),
        memory_limit_in_bytes=limit,
        memory_swap_limit_in_bytes=limit if swap.file == SWAP_V1 else 0,
        unified=swapping | ({KILL_ALL: "1"} if kill_all else {}),
        oom_score_adj=oom_score(pod, container, node_memory),
        hugepage_limits=[pb.HugepageLimit(page_size=size, limit=amount) for size, amount in sorted(huge.items())],
    )


def huge_pages(amounts: Mapping[str, Quantity]) -> dict[str, int]:
    """The bytes of huge pages among the amounts, by page size as the runtime names it."""
    return {page_size(name): amount.units for name, amount in amounts.items() if name.startswith(HUGE)}


def page_size(name: str) -> str:
    """`hugepages-2Mi` is `2MB` to the runtime."""
    return name.removeprefix(HUGE).replace("i", "") + "B"
