"""TaintToleration: taints with NoSchedule or NoExecute must be tolerated; each PreferNoSchedule that is not costs.

Nodes share few distinct sets of taints, so each set is judged once and a row's verdict is a look-up by its set's code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sampan.scheduler.needs import Needs
from sampan.scheduler.nodelabels import Mask, Rows
from sampan.scheduler.nodetable import NodeTable, Taint
from sampan.scheduler.plugin import Plugin, Refusal, Scale, Scores
from sampan.scheduler.records import PodRecord

MESSAGE = "node(s) had untolerated taint(s)"
"""Since v1.34.2 upstream names neither key nor value: a pod's owner need not learn them (kubernetes #134740)."""

FORBIDDING = ("NoSchedule", "NoExecute")


class TaintToleration(Plugin):
    name = "TaintToleration"
    weight = 3

    def check(self, pod: PodRecord, table: NodeTable) -> TaintTolerationCheck:
        return TaintTolerationCheck(pod.needs, table)

    def scorer(self, pod: PodRecord, table: NodeTable) -> TaintTolerationScorer:
        return TaintTolerationScorer(pod.needs, table)


class Verdicts:
    """A figure for each taint set, worked out when the set is first seen."""

    def __init__(self, table: NodeTable, judge: Callable[[tuple[Taint, ...]], int], dtype: Any) -> None:
        self._table = table
        self._judge = judge
        self._known: NDArray[Any] = np.zeros(0, dtype)

    def of(self, rows: Rows) -> NDArray[Any]:
        sets = self._table.taint_sets.values
        if len(sets) > len(self._known):
            more = [self._judge(taints) for taints in sets[len(self._known) :]]
            self._known = np.concatenate([self._known, np.array(more, self._known.dtype)])
        return self._known[self._table.taints[rows]]


def tolerable(needs: Needs, taints: tuple[Taint, ...]) -> bool:
    """Whether none of the taints keeps the pod away."""
    return all(taint[2] not in FORBIDDING or needs.tolerates(*taint) for taint in taints)


class TaintTolerationCheck:
    def __init__(self, needs: Needs, table: NodeTable) -> None:
        self._verdicts = Verdicts(table, lambda taints: tolerable(needs, taints), np.bool_)

    def passes(self, rows: Rows) -> Mask:
        return self._verdicts.of(rows)

    def refusals(self, rows: Rows) -> list[Refusal]:
        return [Refusal(MESSAGE, False, ~self.passes(rows))]


class TaintTolerationScorer:
    scale: Scale = "down"

    def __init__(self, needs: Needs, table: NodeTable) -> None:
        self._verdicts = Verdicts(
            table,
            lambda taints: sum(t[2] == "PreferNoSchedule" and not needs.tolerates(*t) for t in taints),
            np.int64,
        )

    def score(self, rows: Rows) -> Scores:
        return self._verdicts.of(rows)
