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


def untolerated(needs: Needs, taints: tuple[Taint, ...]) -> Taint | None:
    """The first taint that keeps the pod away, or None."""
    return next((t for t in taints if t[2] in FORBIDDING and not needs.tolerates(*t)), None)


class TaintTolerationCheck:
    def __init__(self, needs: Needs, table: NodeTable) -> None:
        self._needs = needs
        self._table = table
        self._verdicts = Verdicts(table, lambda taints: untolerated(needs, taints) is None, np.bool_)

    def passes(self, rows: Rows) -> Mask:
        return self._verdicts.of(rows)

    def refusals(self, rows: Rows) -> list[Refusal]:
        codes = self._table.taints[rows]
        found = []
        for code in np.unique(codes):
            taint = untolerated(self._needs, self._table.taint_sets.values[code])
            if taint is not None:
                message = f"node(s) had untolerated taint {{{taint[0]}: {taint[1]}}}"
                found.append(Refusal(message, False, codes == code))
        return found


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
