"""NodeResourcesFit: everything asked for must be left on the node; nodes with the most left are preferred.

The score is upstream's LeastAllocated over CPU and memory: the mean of each resource's free share in percent, after
the pod is placed. The number of pods is a resource like the others, of which every pod asks for one.
"""

from __future__ import annotations

import numpy as np

from sampan.scheduler.needs import Needs
from sampan.scheduler.nodelabels import Mask, Rows
from sampan.scheduler.nodetable import NodeTable
from sampan.scheduler.plugin import HIGHEST, Plugin, Refusal, Scale, Scores
from sampan.scheduler.records import PodRecord
from sampan.scheduler.requests import CPU, MEMORY, PODS, SCORED_CPU, SCORED_MEMORY

SCORED = ((CPU, SCORED_CPU), (MEMORY, SCORED_MEMORY))


class NodeResourcesFit(Plugin):
    name = "NodeResourcesFit"
    weight = 1

    def check(self, pod: PodRecord, table: NodeTable) -> NodeResourcesFitCheck:
        return NodeResourcesFitCheck(pod, table)

    def scorer(self, pod: PodRecord, table: NodeTable) -> LeastAllocatedScorer:
        return LeastAllocatedScorer(pod.needs, table)


class NodeResourcesFitCheck:
    def __init__(self, pod: PodRecord, table: NodeTable) -> None:
        table.widen_for(pod)
        self._wanted = [(int(c), int(a)) for c, a in zip(pod.needs.columns, pod.needs.amounts, strict=True)]
        self._table = table

    def passes(self, rows: Rows) -> Mask:
        mask = None
        for column, amount in self._wanted:
            enough = self._free(column, rows) >= amount
            mask = enough if mask is None else mask & enough
        assert mask is not None
        return mask

    def refusals(self, rows: Rows) -> list[Refusal]:
        found = []
        for column, amount in self._wanted:
            short = self._free(column, rows) < amount
            possible = self._table.allocatable[column, rows] >= amount
            resource = self._table.resources.values[column]
            message = "Too many pods" if column == PODS else f"Insufficient {resource}"
            found += [Refusal(message, True, short & possible), Refusal(message, False, short & ~possible)]
        return found

    def _free(self, column: int, rows: Rows) -> Scores:
        return self._table.allocatable[column, rows] - self._table.requested[column, rows]


class LeastAllocatedScorer:
    scale: Scale = "as is"

    def __init__(self, needs: Needs, table: NodeTable) -> None:
        self._vector = needs.vector
        self._table = table

    def score(self, rows: Rows) -> Scores:
        total: Scores | int = 0
        counted: Scores | int = 0
        for column, scored in SCORED:
            capacity = self._table.allocatable[column, rows]
            left = capacity - self._table.requested[scored, rows] - self._vector[scored]
            total = total + np.maximum(left, 0) * HIGHEST // np.maximum(capacity, 1)
            counted = counted + (capacity > 0)
        return np.asarray(total // np.maximum(counted, 1), np.int64)
