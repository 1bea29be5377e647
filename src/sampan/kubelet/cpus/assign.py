"""Which processors a container gets for itself: pure.

As near together as can be: whole sockets, then whole NUMA nodes, then whole cores, then single processors, of what is
left of the fullest first, so that what stays free stays together ("static" policy, topology-aware packing).
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any

from sampan.kubelet.cpus.topology import Cpu, Topology


class NotEnough(Exception):
    """Fewer processors are free than are asked for."""


LEVELS: tuple[Callable[[Cpu], Any], ...] = (
    lambda cpu: cpu.socket,
    lambda cpu: (cpu.socket, cpu.node),
    lambda cpu: (cpu.socket, cpu.node, cpu.core),
)


def assigned(
    topology: Topology, free: AbstractSet[int], count: int, affinity: AbstractSet[int] = frozenset()
) -> frozenset[int]:
    """`count` of the free processors, those on the NUMA nodes of `affinity` before others. Raises NotEnough."""
    if len(free) < count:
        raise NotEnough(f"not enough cpus available to satisfy request: requested={count}, available={len(free)}")
    near = {cpu for cpu in free if topology[cpu].node in affinity} if affinity else set(free)
    first = taken(topology, near, min(count, len(near)))
    return first | taken(topology, set(free) - near, count - len(first))


def taken(topology: Topology, free: AbstractSet[int], count: int) -> frozenset[int]:
    left, found = set(free), set[int]()
    for level in LEVELS:
        groups = grouped(topology, left, level)
        whole = grouped(topology, topology.keys(), level)
        for key in sorted(groups):
            group = groups[key]
            if len(group) == len(whole[key]) and len(group) <= count - len(found):
                found |= group
                left -= group
    return frozenset(found | set(packed(topology, left)[: count - len(found)]))


def packed(topology: Topology, free: AbstractSet[int]) -> list[int]:
    """Single processors: from the fullest NUMA nodes, and there from cores in use already, first."""
    by_node = grouped(topology, free, LEVELS[1])
    by_core = grouped(topology, free, LEVELS[2])
    return sorted(
        free,
        key=lambda c: (len(by_node[LEVELS[1](topology[c])]), len(by_core[LEVELS[2](topology[c])]), topology[c]),
    )


def grouped(topology: Topology, cpus: AbstractSet[int] | Any, level: Callable[[Cpu], Any]) -> dict[Any, set[int]]:
    found: dict[Any, set[int]] = {}
    for cpu in cpus:
        found.setdefault(level(topology[cpu]), set()).add(cpu)
    return found


def threads_per_core(topology: Topology) -> int:
    return max((len(group) for group in grouped(topology, topology.keys(), LEVELS[2]).values()), default=1)
