"""The decision: a pod and the node table in, a row or the reasons against every row out. No I/O, no clock.

For each distinct needs an `Evaluation` keeps which rows are feasible and how they score. It is brought up to date by
working out again only the rows that changed since, so the second replica of a workload costs one row. Rules about pods
in other rows cannot be kept like that and are asked for every pod, over all rows at once. Among the best rows chance
decides, from the generator that is passed in.
"""

from __future__ import annotations

import random
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from sampan.scheduler.needs import Needs
from sampan.scheduler.nodelabels import Mask, Rows
from sampan.scheduler.nodetable import NodeTable
from sampan.scheduler.plugin import Check, Plugin, RelativeScorer, Scorer, Scores, scaled
from sampan.scheduler.plugins import PLUGINS
from sampan.scheduler.records import PodRecord

EVALUATIONS = 128
"""Evaluations kept; each takes some ten bytes a node and score."""

NO_NODES = "no nodes available to schedule pods"
UNFIT = -1


@dataclass(frozen=True, slots=True)
class Refused:
    """Why no row will do: how many rows each message holds for, which rows could be freed by removing pods, and the
    names of the plugins that refused."""

    reasons: Counter[str]
    resolvable: NDArray[np.intp]
    plugins: frozenset[str]
    nodes: int

    @property
    def message(self) -> str:
        """`0/3 nodes are available: 1 Insufficient cpu, 2 Too many pods.`, the reasons in the order of their text."""
        if not self.nodes:
            return NO_NODES
        return summary(self.nodes, self.reasons)


def summary(nodes: int, reasons: Counter[str]) -> str:
    """Upstream's wording of reasons with their counts."""
    texts = sorted(f"{count} {message}" for message, count in reasons.items())
    return f"0/{nodes} nodes are available: {', '.join(texts)}." if texts else f"0/{nodes} nodes are available."


@dataclass(slots=True)
class NamedCheck:
    plugin: str
    check: Check


class Evaluation:
    """Feasibility and scores of all rows for one `Needs`, as far as they do not depend on other rows.

    `total` has the weighted sum of the scores that are 0 to 100 as they are, or UNFIT.
    """

    def __init__(self, pod: PodRecord, table: NodeTable, plugins: Sequence[Plugin]) -> None:
        self._table = table
        local = [plugin for plugin in plugins if not plugin.elsewhere]
        self.checks = [NamedCheck(p.name, check) for p in local if (check := p.check(pod, table))]
        scorers = [(p.weight, scorer) for p in local if (scorer := p.scorer(pod, table))]
        self._plain = [(w, s) for w, s in scorers if s.scale == "as is"]
        self._relative = [(w, s) for w, s in scorers if s.scale != "as is"]
        self._stamps = [s.stamp for _, s in scorers if hasattr(s, "stamp")]
        self._stamp: tuple[int, ...] = ()
        self._version = -1
        self._refused: tuple[int, Refused] | None = None
        self.total: Scores = np.zeros(0, np.int64)
        self._raw: list[Scores] = []

    @property
    def version(self) -> int:
        """The version of the table that this is worked out for."""
        return self._version

    def refresh(self) -> None:
        """Works out again what changed since the last time."""
        table = self._table
        stamp = tuple(of() for of in self._stamps)
        if len(self.total) != table.capacity or stamp != self._stamp:
            self._reset(stamp)
        elif table.version != self._version:
            rows = table.changed_since(self._version)
            self._update(narrowest(rows, table.height))
        self._version = table.version

    def feasible(self, rows: Rows) -> Mask:
        """Which of the rows pass every check, as the table is now."""
        mask = self._table.present[rows]
        for named in self.checks:
            mask = mask & named.check.passes(rows)
        return mask

    def scores(self, fits: Mask) -> Scores:
        """The total of all rows, those scores included that are relative to the best of the rows that fit."""
        total = self.total[: self._table.height]
        for (weight, scorer), raw in zip(self._relative, self._raw, strict=True):
            shares = scaled(raw[: self._table.height], fits, scorer.scale)
            if shares is not None:
                total = total + weight * shares
        return total

    def refused(self) -> Refused:
        """Why no row will do, remembered until the table changes."""
        if self._refused is None or self._refused[0] != self._table.version:
            self._refused = (self._table.version, explain(self._table, self.checks))
        return self._refused[1]

    def _reset(self, stamp: tuple[int, ...]) -> None:
        self._stamp = stamp
        self.total = np.full(self._table.capacity, UNFIT, np.int64)
        self._raw = [np.zeros(self._table.capacity, np.int64) for _ in self._relative]
        self._update(slice(0, self._table.height))

    def _update(self, rows: Rows) -> None:
        total: Scores | int = 0
        for weight, scorer in self._plain:
            total = total + weight * scorer.score(rows)
        self.total[rows] = np.where(self.feasible(rows), total, UNFIT)
        for raw, (_, scorer) in zip(self._raw, self._relative, strict=True):
            raw[rows] = scorer.score(rows)


def narrowest(rows: NDArray[np.intp], height: int) -> Rows:
    """The cheapest way to name these rows, or more: a slice is read in place, an array of numbers is copied."""
    if len(rows) == 1:
        return slice(int(rows[0]), int(rows[0]) + 1)
    return rows if len(rows) * 2 < height else slice(0, height)


class Decider:
    """Chooses rows. `plugins` in the order in which they refuse."""

    def __init__(self, table: NodeTable, rng: random.Random, plugins: Sequence[Plugin] = PLUGINS) -> None:
        self.table = table
        self.plugins = tuple(plugins)
        self._rng = rng
        self._elsewhere = [plugin for plugin in self.plugins if plugin.elsewhere]
        self._order = {plugin.name: place for place, plugin in enumerate(self.plugins)}
        self._evaluations: OrderedDict[Needs, Evaluation] = OrderedDict()

    def decide(self, pod: PodRecord) -> int | Refused:
        """The row for a pod that is counted nowhere."""
        evaluation = self.evaluation(pod)
        evaluation.refresh()
        checks = self._checks_elsewhere(pod)
        total = self._totals(pod, evaluation, checks)
        if not len(total) or (best := total.max()) < 0:
            return self._refused(evaluation, checks)
        ties = np.flatnonzero(total == best)
        return int(ties[self._rng.randrange(len(ties))])

    def fits(self, pod: PodRecord, rows: NDArray[np.intp]) -> Mask:
        """Which of the rows would take the pod, as the table is now."""
        mask = self.evaluation(pod).feasible(rows)
        if mask.any():
            for named in self._checks_elsewhere(pod):
                mask = mask & named.check.passes(rows)
        return mask

    def explain_row(self, pod: PodRecord, row: int) -> list[str]:
        """The messages of the first plugin against one row; none if the row would take the pod."""
        rows = np.array([row])
        for named in self._ordered(self.evaluation(pod), self._checks_elsewhere(pod)):
            if not named.check.passes(rows)[0]:
                return [refusal.message for refusal in named.check.refusals(rows) if refusal.where[0]]
        return []

    def looks_elsewhere(self, pod: PodRecord) -> bool:
        """Whether a change in one row can make room for the pod in another."""
        return bool(self._checks_elsewhere(pod))

    def evaluation(self, pod: PodRecord) -> Evaluation:
        """The evaluation for the pod's needs, not necessarily fresh."""
        found = self._evaluations.get(pod.needs)
        if found is None:
            found = self._evaluations[pod.needs] = Evaluation(pod, self.table, self.plugins)
            if len(self._evaluations) > EVALUATIONS:
                self._evaluations.popitem(last=False)
        else:
            self._evaluations.move_to_end(pod.needs)
        return found

    def _checks_elsewhere(self, pod: PodRecord) -> list[NamedCheck]:
        return [NamedCheck(p.name, check) for p in self._elsewhere if (check := p.check(pod, self.table))]

    def _totals(self, pod: PodRecord, evaluation: Evaluation, checks: list[NamedCheck]) -> Scores:
        height = self.table.height
        fits = evaluation.total[:height] >= 0
        for named in checks:
            fits = fits & named.check.passes(slice(0, height))
        total = evaluation.scores(fits)
        plain = not checks and total.base is evaluation.total
        for plugin in self._elsewhere:
            scorer = plugin.scorer(pod, self.table)
            if scorer is not None:
                total = total + plugin.weight * _own_scale(scorer, fits)
                plain = False
        return total if plain else np.where(fits, total, UNFIT)

    def _refused(self, evaluation: Evaluation, checks: list[NamedCheck]) -> Refused:
        """The reasons of the first plugin against each row."""
        if not checks:
            return evaluation.refused()
        return explain(self.table, self._ordered(evaluation, checks))

    def _ordered(self, evaluation: Evaluation, checks: list[NamedCheck]) -> list[NamedCheck]:
        return sorted([*evaluation.checks, *checks], key=lambda named: self._order[named.plugin])


def _own_scale(scorer: Scorer, fits: Mask) -> Scores:
    return cast(RelativeScorer, scorer).scaled_score(fits)


def explain(table: NodeTable, checks: list[NamedCheck]) -> Refused:
    """Why each row is refused, by the first of the checks that does so."""
    rows = slice(0, table.height)
    left = table.present[rows].copy()
    resolvable = np.zeros(len(left), np.bool_)
    reasons: Counter[str] = Counter()
    plugins = set()
    for named in checks:
        refused = left & ~named.check.passes(rows)
        if not refused.any():
            continue
        plugins.add(named.plugin)
        hopeless = np.zeros(len(left), np.bool_)
        for refusal in named.check.refusals(rows):
            here = refused & refusal.where
            count = int(here.sum())
            if count:
                reasons[refusal.message] += count
                if not refusal.resolvable:
                    hopeless |= here
        resolvable |= refused & ~hopeless
        left &= ~refused
    return Refused(reasons, np.flatnonzero(resolvable), frozenset(plugins), table.count)
