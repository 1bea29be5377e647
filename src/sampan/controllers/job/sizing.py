"""How many pods a Job shall have: indexes to create pods for, pods to take away, when to look again. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sampan.controllers.job.tally import Tally, failures_before, index_of, is_indexed
from sampan.controllers.pods import ended_at
from sampan.controllers.replicaset import ranking

BURST = 500
BACKOFF_BASE_SECONDS = 10.0
BACKOFF_CAP_SECONDS = 600.0


@dataclass
class Trouble:
    """Failures in a row, as this process has seen them: what new pods are delayed by."""

    count: int = 0
    last: float = 0.0

    def note(self, result: Tally, now: float) -> None:
        if result.fresh_successes:
            self.count = 0
        if result.fresh_failures:
            self.count += len(result.fresh_failures)
            self.last = now

    def wait(self, now: float) -> float:
        return _wait(self.count, self.last, now)


def _wait(count: int, last: float, now: float) -> float:
    if not count:
        return 0.0
    delay = min(BACKOFF_BASE_SECONDS * 2.0 ** min(count - 1, 30), BACKOFF_CAP_SECONDS)
    return max(0.0, last + delay - now)


class Sizing:
    """`create` are completion indexes, None each for a Job without; `withdraw` pods that are too many or misplaced;
    `waits` seconds until pods held back by earlier failures may be created."""

    def __init__(
        self, job: Any, active: Sequence[Any], terminating: Sequence[Any], tally: Tally, trouble: Trouble, now: float
    ) -> None:
        self.job = job
        self.active = active
        self.terminating = terminating
        self.tally = tally
        self.trouble = trouble
        self.now = now
        self.create: list[int | None] = []
        self.withdraw: list[Any] = []
        self.waits: list[float] = []
        self._decide()

    def _decide(self) -> None:
        spec = self.job.spec
        parallelism = 1 if spec.parallelism is None else spec.parallelism
        if spec.completions is None:
            wanted = len(self.active) if self.tally.all_succeeded else parallelism
            wanted = min(wanted, parallelism)
        else:
            left = spec.completions - self.tally.all_succeeded - len(self.tally.failed_indexes)
            wanted = max(0, min(parallelism, left))
        surplus = len(self.active) - wanted
        self.withdraw = self._misplaced()
        if surplus > len(self.withdraw):
            wrong = {pod.metadata.uid for pod in self.withdraw}
            fitting = [pod for pod in self.active if pod.metadata.uid not in wrong]
            self.withdraw += ranking.to_delete(surplus - len(wrong), fitting, fitting, self.now)
        if self.withdraw:
            return
        held = len(self.terminating) if self._replaces_only_ended() else 0
        missing = min(-surplus - held, BURST)
        if missing <= 0:
            return
        if is_indexed(self.job):
            self._create_indexes(missing)
            return
        wait = self.trouble.wait(self.now)
        if wait:
            self.waits.append(wait)
        else:
            self.create = [None] * missing

    def _misplaced(self) -> list[Any]:
        """Pods of an indexed Job that have no index, one beyond the last, or one that another pod has."""
        by_index: dict[int | None, list[Any]] = {}
        for pod in self.active if is_indexed(self.job) else ():
            by_index.setdefault(index_of(pod), []).append(pod)
        limit = self.job.spec.completions or 0
        wrong = []
        for index, pods in by_index.items():
            surplus = len(pods) - (index is not None and index < limit)
            if surplus:
                wrong += ranking.to_delete(surplus, pods, pods, self.now)
        return wrong

    def _create_indexes(self, missing: int) -> None:
        taken = {index_of(pod) for pod in self.active} | self.tally.completed | self.tally.failed_indexes
        if self._replaces_only_ended():
            taken |= {index_of(pod) for pod in self.terminating}
        per_index = self.job.spec.backoffLimitPerIndex is not None
        shared = 0.0 if per_index else self.trouble.wait(self.now)
        for index in range(self.job.spec.completions or 0):
            if len(self.create) >= missing:
                return
            if index in taken:
                continue
            wait = self._wait_for_index(index) if per_index else shared
            if wait:
                self.waits.append(wait)
            else:
                self.create.append(index)

    def _wait_for_index(self, index: int) -> float:
        failed = self.tally.waiting.get(index)
        return 0.0 if failed is None else _wait(sum(failures_before(failed)) + 1, ended_at(failed), self.now)

    def _replaces_only_ended(self) -> bool:
        return self.job.spec.podReplacementPolicy == "Failed" or self.job.spec.podFailurePolicy is not None
