"""Preemption: making room for a pod by taking pods of lower priority away from one node.

Only rows that were refused for what runs there come into question. On such a row all pods of lower priority are
thought away; if the pod then fits, they are given back one by one, the more important first, as long as it still fits,
those whose disruption budget is exhausted before the others. What cannot be given back are the victims. Of the rows
tried, the one that does least harm is taken: fewest budgets violated, then the least important greatest victim, then
the least sum of priorities, the fewest victims, and the victims that started last.

Arrays narrow 5,000 rows to a few first: what the lower priorities hold together is known for each row, so rows where
even all of it would not do, or where a more important victim is needed than elsewhere, are left out. Pods that are
only nominated for a row are victims like others, except that nothing has to be deleted for them.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sampan.scheduler.budgets import Budget, violations
from sampan.scheduler.decision import Decider, Refused, summary
from sampan.scheduler.nodelabels import Mask
from sampan.scheduler.plugin import Scores
from sampan.scheduler.records import PodRecord
from sampan.scheduler.requests import PODS

CANDIDATES = 16
"""Rows worked out exactly; chance says where among those that look alike they begin."""

NEVER = "not eligible due to preemptionPolicy=Never."
WAITING = "not eligible due to terminating pod on the nominated node."
NOT_HELPFUL = "Preemption is not helpful for scheduling"
NO_VICTIMS = "No preemption victims found for incoming pod"
PRIORITY_OFFSET = 2**31


@dataclass(frozen=True, slots=True)
class Plan:
    """Taking the victims away lets the pod run in the row."""

    row: int
    victims: tuple[PodRecord, ...]
    violated: int

    def harm(self) -> tuple[float, ...]:
        """Sorts plans, the least harmful first."""
        if not self.victims:
            return (0, 0, 0, 0, 0)
        greatest = max(pod.priority for pod in self.victims)
        total = sum(pod.priority + PRIORITY_OFFSET for pod in self.victims)
        earliest = min(pod.started for pod in self.victims if pod.priority == greatest)
        return (self.violated, greatest, total, len(self.victims), -earliest)


class Preemption:
    def __init__(self, decider: Decider, rng: random.Random, budgets: Callable[[], Sequence[Budget]]) -> None:
        self._decider = decider
        self._table = decider.table
        self._rng = rng
        self._budgets = budgets

    def plan(self, pod: PodRecord, refused: Refused) -> Plan | str:
        """How to make room for a pod that was refused everywhere and is counted nowhere, or upstream's message why
        that cannot be done."""
        if not pod.preempts:
            return NEVER
        if self._victims_leaving(pod):
            return WAITING
        reasons: Counter[str] = Counter()
        hopeless = self._table.count - len(refused.resolvable)
        if hopeless:
            reasons[NOT_HELPFUL] = hopeless
        rows = self._promising(pod, refused.resolvable, reasons)
        plan = self._best(pod, rows, reasons)
        return plan or summary(self._table.count, reasons)

    def _victims_leaving(self, pod: PodRecord) -> bool:
        """Whether room is being made already where the pod is nominated."""
        if not self._table.has(pod.nominated):
            return False
        there = self._table.pods[self._table.row(pod.nominated)]
        return any(other.terminating and other.priority < pod.priority for other in there.values())

    def _promising(self, pod: PodRecord, rows: NDArray[np.intp], reasons: Counter[str]) -> NDArray[np.intp]:
        """The rows where taking all lower priorities away leaves enough; `reasons` takes what is against the rest."""
        levels = sorted(priority for priority in self._table.by_priority if priority < pod.priority)
        held = sum((self._table.by_priority[level][PODS, rows] for level in levels), np.zeros(len(rows), np.int64))
        without = int((held == 0).sum())
        if without:
            reasons[NO_VICTIMS] += without
        rows = rows[held > 0]
        short = self._short(pod, rows, levels)
        for column, rows_short in short.items():
            if rows_short.any():
                name = self._table.resources.values[column]
                reasons["Too many pods" if column == PODS else f"Insufficient {name}"] += int(rows_short.sum())
        return rows[~np.any(list(short.values()), axis=0)] if short else rows

    def _short(self, pod: PodRecord, rows: NDArray[np.intp], levels: Sequence[int]) -> dict[int, Mask]:
        """By resource column, the rows that lack it even without the pods of these priorities."""
        found = {}
        for column, amount in zip(pod.needs.columns.tolist(), pod.needs.amounts.tolist(), strict=True):
            free: Scores = self._table.allocatable[column, rows] - self._table.requested[column, rows]
            for level in levels:
                free = free + self._table.by_priority[level][column, rows]
            found[column] = free < amount
        return found

    def _best(self, pod: PodRecord, rows: NDArray[np.intp], reasons: Counter[str]) -> Plan | None:
        budgets = self._budgets()
        local = not (pod.needs.ports or self._decider.looks_elsewhere(pod))
        for few in self._portions(pod, rows, local):
            plans = []
            for row in few:
                plan = self._row_plan(pod, row, budgets, local)
                if plan is None:
                    reasons[self._still_against(pod, row)] += 1
                else:
                    plans.append(plan)
            if plans:
                return min(plans, key=Plan.harm)
        return None

    def _portions(self, pod: PodRecord, rows: NDArray[np.intp], local: bool) -> Iterator[list[int]]:
        """The rows in the order to try them, in portions of CANDIDATES, each row once."""
        if local and len(rows) > CANDIDATES:
            rows = self._least_important(pod, rows)
        start = self._rng.randrange(len(rows)) if len(rows) else 0
        order = np.roll(rows, -start)
        for at in range(0, len(order), CANDIDATES):
            yield order[at : at + CANDIDATES].tolist()

    def _least_important(self, pod: PodRecord, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Of rows that will do, those that will with the least important victims; all where budgets may matter."""
        if self._budgets():
            return rows
        levels = sorted(priority for priority in self._table.by_priority if priority < pod.priority)
        for upto in range(1, len(levels)):
            enough = ~np.any(list(self._short(pod, rows, levels[:upto]).values()), axis=0)
            if enough.any():
                return rows[enough]
        return rows

    def _row_plan(self, pod: PodRecord, row: int, budgets: Sequence[Budget], local: bool) -> Plan | None:
        lower = sorted((p for p in self._table.pods[row].values() if p.priority < pod.priority), key=importance)
        if not lower:
            return None
        violating = violations(lower, budgets)
        ordered = [p for p in lower if p.uid in violating] + [p for p in lower if p.uid not in violating]
        victims = self._count_back(pod, row, ordered) if local else self._put_back(pod, row, ordered)
        if victims is None:
            return None
        return Plan(row, tuple(victims), sum(victim.uid in violating for victim in victims))

    def _count_back(self, pod: PodRecord, row: int, lower: list[PodRecord]) -> list[PodRecord] | None:
        """The victims where only amounts matter."""
        columns = pod.needs.columns
        free = self._table.allocatable[columns, row] - self._table.requested[columns, row] - pod.needs.amounts
        room = free.tolist()
        shares = [other.needs.share(columns.tolist()) for other in lower]
        for share in shares:
            room = [left + part for left, part in zip(room, share, strict=True)]
        if min(room) < 0:
            return None
        victims = []
        for other, share in zip(lower, shares, strict=True):
            smaller = [left - part for left, part in zip(room, share, strict=True)]
            if min(smaller) >= 0:
                room = smaller
            else:
                victims.append(other)
        return victims

    def _put_back(self, pod: PodRecord, row: int, lower: list[PodRecord]) -> list[PodRecord] | None:
        """The victims by asking every plugin; the table is as before afterwards."""
        name, only = self._table.names[row], np.array([row])
        away = {other.uid: other for other in lower}
        for other in lower:
            self._table.remove_pod(other)
        try:
            if not self._decider.fits(pod, only)[0]:
                return None
            for other in lower:
                self._table.add_pod(other, name)
                if self._decider.fits(pod, only)[0]:
                    del away[other.uid]
                else:
                    self._table.remove_pod(other)
            return list(away.values())
        finally:
            for other in away.values():
                if other.row < 0:
                    self._table.add_pod(other, name)

    def _still_against(self, pod: PodRecord, row: int) -> str:
        """What refuses the pod in the row; a good guess when it is the absence of those thought away."""
        refused = self._decider.explain_row(pod, row)
        return next(iter(refused), NO_VICTIMS)


def importance(pod: PodRecord) -> tuple[float, float]:
    """Sorts pods, the more important first: by priority, then by how long they have run."""
    return (-pod.priority, pod.started)
