"""When probes are asked: one heap of due times and one task for all probes of the node.

A probe is asked at its due time and due again one period later, however late it was asked and however long it took;
so nothing drifts, and a thousand sleeping probes are a thousand entries of a list. So many may be under way at once;
one that has taken a second is not counted any more, so that slow containers cannot hold up the probes of others.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner

AT_ONCE = 64
SLOW_SECONDS = 1.0
TOGETHER_SECONDS = 0.005
"""Probes due within this time are asked at one waking."""
Work = Callable[[], Awaitable[Any]]


class Entry:
    """A piece of work that is due at a time; `cancel` works before and while it is done."""

    __slots__ = ("_task", "_work")

    def __init__(self, work: Work) -> None:
        self._work: Work | None = work
        self._task: asyncio.Task[Any] | None = None

    def cancel(self) -> None:
        self._work = None
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    def begin(self, owner: TaskOwner) -> asyncio.Task[Any] | None:
        """The running task, None when the work was cancelled."""
        if self._work is not None:
            self._task = owner.start(self._work, name="probe", policy="log")
        return self._task


class ProbeSchedule:
    """`began` is when this kubelet did, in seconds since the epoch: what started earlier is taken over, not new."""

    def __init__(self, clock: Clock) -> None:
        self.began = clock.now()
        self._clock = clock
        self._heap: list[tuple[float, int, Entry]] = []
        self._numbers = itertools.count()
        self._young: dict[asyncio.Task[Any], float] = {}
        self._woken = asyncio.Event()
        self._asked = 0

    def at(self, due: float, work: Work) -> Entry:
        """Does `work` at `due` (of the clock's monotonic time)."""
        entry = Entry(work)
        heapq.heappush(self._heap, (due, next(self._numbers), entry))
        if self._heap[0][2] is entry:
            self._woken.set()
        return entry

    async def run(self) -> None:
        """Asks until cancelled."""
        async with TaskOwner("probes") as owner:
            while True:
                self._woken.clear()
                self._begin_due(owner)
                await self._rest()

    def statistics(self) -> dict[str, int]:
        return {"scheduled": len(self._heap), "under way": len(self._young), "asked": self._asked}

    def _begin_due(self, owner: TaskOwner) -> None:
        until = self._clock.monotonic() + TOGETHER_SECONDS
        self._forget_slow()
        while self._heap and self._heap[0][0] <= until and len(self._young) < AT_ONCE:
            task = heapq.heappop(self._heap)[2].begin(owner)
            if task is not None:
                self._asked += 1
                self._young[task] = self._clock.monotonic()
                task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        full = len(self._young) >= AT_ONCE
        self._young.pop(task, None)
        if full:
            self._woken.set()

    def _forget_slow(self) -> None:
        """The dict is in the order of starting, so the slow ones are its first."""
        now = self._clock.monotonic()
        for task in [task for task, since in self._young.items() if since + SLOW_SECONDS <= now]:
            del self._young[task]

    async def _rest(self) -> None:
        try:
            await self._clock.wait_for(self._woken.wait(), self._seconds())
        except TimeoutError:
            return

    def _seconds(self) -> float | None:
        """Until the next probe is due, or may begin."""
        if not self._heap:
            return None
        now = self._clock.monotonic()
        if len(self._young) >= AT_ONCE:
            return max(next(iter(self._young.values())) + SLOW_SECONDS - now, 0.0)
        return max(self._heap[0][0] - now, 0.0)
