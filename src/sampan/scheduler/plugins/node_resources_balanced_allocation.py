"""NodeResourcesBalancedAllocation: prefers nodes whose CPU and memory the pod brings to, or keeps at, like shares.

A node's balance is 100 less the standard deviation of the used shares in percent, which for two resources is half
their difference. The score is how the pod changes the balance: 50 + (50 + balance with it - balance without it) / 2.
A pod that asks for neither resource changes nothing and is not scored.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sampan.scheduler.needs import Needs
from sampan.scheduler.nodelabels import Rows
from sampan.scheduler.nodetable import NodeTable
from sampan.scheduler.plugin import HIGHEST, Plugin, Scale, Scores
from sampan.scheduler.records import PodRecord
from sampan.scheduler.requests import CPU, MEMORY

HALF = HIGHEST // 2


class NodeResourcesBalancedAllocation(Plugin):
    name = "NodeResourcesBalancedAllocation"
    weight = 1

    def scorer(self, pod: PodRecord, table: NodeTable) -> BalancedAllocationScorer | None:
        vector = pod.needs.vector
        return BalancedAllocationScorer(pod.needs, table) if vector[CPU] or vector[MEMORY] else None


class BalancedAllocationScorer:
    scale: Scale = "as is"

    def __init__(self, needs: Needs, table: NodeTable) -> None:
        self._cpu = int(needs.vector[CPU])
        self._memory = int(needs.vector[MEMORY])
        self._table = table

    def score(self, rows: Rows) -> Scores:
        cpu, memory = self._table.allocatable[CPU, rows], self._table.allocatable[MEMORY, rows]
        used_cpu, used_memory = self._table.requested[CPU, rows], self._table.requested[MEMORY, rows]
        without = balance(used_cpu, cpu, used_memory, memory)
        balanced = balance(used_cpu + self._cpu, cpu, used_memory + self._memory, memory)
        return HALF + ((HALF + balanced - without) / 2).astype(np.int64)


def balance(cpu: Scores, cpu_capacity: Scores, memory: Scores, memory_capacity: Scores) -> NDArray[np.int64]:
    """0 to 100; a resource that the node has none of is left out, and one alone is in balance."""
    apart = np.abs(_share(cpu, cpu_capacity) - _share(memory, memory_capacity)) / 2
    apart *= (cpu_capacity > 0) & (memory_capacity > 0)
    return ((1 - apart) * HIGHEST).astype(np.int64)


def _share(used: Scores, capacity: Scores) -> NDArray[np.float64]:
    return np.minimum(used / np.maximum(capacity, 1), 1.0)
