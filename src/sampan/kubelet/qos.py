"""Quality of service: a pod's class, and what follows from it for its cgroup and its OOM score.

Guaranteed: every container has limits for cpu and memory and its requests equal them. BestEffort: no container has any
request or limit of them. Burstable: the rest ("Pod Quality of Service Classes"). Pod-level resources, where given,
decide instead (KEP-2837).
"""

from __future__ import annotations

from typing import Any

from sampan.api import quantity
from sampan.kubelet.spec import all_containers

COMPUTE = ("cpu", "memory")
GUARANTEED_SCORE = -997
BEST_EFFORT_SCORE = 1000
CRITICAL_PRIORITY = 2_000_000_000


def qos_class(pod: Any) -> str:
    sources = [pod.spec.resources] if pod.spec.resources else [c.resources for c in all_containers(pod)]
    amounts = [(amounts_of(r, "requests"), amounts_of(r, "limits")) for r in sources]
    if not any(requests or limits for requests, limits in amounts):
        return "BestEffort"
    full = all(len(limits) == len(COMPUTE) and {**limits, **requests} == limits for requests, limits in amounts)
    return "Guaranteed" if full else "Burstable"


def amounts_of(resources: Any, which: str) -> dict[str, Any]:
    """The compute resources named there with an amount above zero."""
    given = getattr(resources, which, None) or {}
    parsed = {name: quantity.parse(given[name]) for name in COMPUTE if given.get(name) is not None}
    return {name: amount for name, amount in parsed.items() if amount.value > 0}


def oom_score(pod: Any, container: Any, node_memory: int) -> int:
    """A container's oom_score_adj: the more it asked for, the later it dies; `node_memory` in bytes."""
    if (pod.spec.priority or 0) >= CRITICAL_PRIORITY:
        return GUARANTEED_SCORE
    quality = qos_class(pod)
    if quality == "Guaranteed":
        return GUARANTEED_SCORE
    if quality == "BestEffort" or not node_memory:
        return BEST_EFFORT_SCORE
    requests = (container.resources.requests if container.resources else None) or {}
    score = 1000 - 1000 * quantity.units(requests.get("memory")) // node_memory
    # Never as safe as Guaranteed (1000 - 997 = 3), never as doomed as BestEffort.
    return min(max(score, 1000 + GUARANTEED_SCORE), BEST_EFFORT_SCORE - 1)
