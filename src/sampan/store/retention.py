"""How much history to keep: what is young enough and fits the budget, decided on writes only.

Nothing runs by the clock, so an idle store never touches the disk. A mark is noted at most every few seconds of
writing; the newest mark that is too old, or that lies more than the budget's bytes back, is where to compact to.
"""

from __future__ import annotations

from collections import deque

import msgspec

MARK_SECONDS = 5.0
MARKS_PER_BUDGET = 8


class Policy(msgspec.Struct, frozen=True):
    """History is kept for `seconds` (as kube-apiserver's --etcd-compaction-interval), but no more than `size` bytes."""

    seconds: float = 300.0
    size: int = 64 << 20


class Mark(msgspec.Struct, frozen=True, gc=False):
    moment: float
    revision: int
    written: int


class Retention:
    """Tells, after each write, the revision to compact to; `now` is monotonic seconds."""

    def __init__(self, policy: Policy, *, revision: int, now: float) -> None:
        self.policy = policy
        self._written = 0
        self._marks = deque([Mark(now, revision, 0)])

    def wrote(self, size: int, revision: int, now: float) -> int | None:
        """Notes a write of `size` bytes that made `revision`; answers the revision to compact to now, if any."""
        self._written += size
        last = self._marks[-1] if self._marks else Mark(0.0, 0, 0)
        grown = self._written - last.written >= self.policy.size // MARKS_PER_BUDGET
        if not self._marks or grown or now - last.moment >= MARK_SECONDS:
            self._marks.append(Mark(now, revision, self._written))
        due = None
        while self._marks and self._is_due(self._marks[0], now):
            due = self._marks.popleft().revision
        return due

    def _is_due(self, mark: Mark, now: float) -> bool:
        return now - mark.moment > self.policy.seconds or self._written - mark.written > self.policy.size
