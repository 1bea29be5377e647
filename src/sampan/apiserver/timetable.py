"""Things to be done at a time, for many owners and with one task: the ends and bookmarks of ten thousand watches."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable

from sampan.aio.clock import Clock

IDLE_SECONDS = 3600.0


class Entry:
    """One appointment; `cancel` is cheap, and its place is cleared away when its time comes."""

    __slots__ = ("action", "at")

    def __init__(self, at: float, action: Callable[[], None]) -> None:
        self.at = at
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        self.action = None


class Timetable:
    """Call `run` as a task of whoever owns the table. Times are of the clock's `monotonic`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Entry]] = []
        self._number = itertools.count()
        self._earlier = asyncio.Event()

    def at(self, when: float, action: Callable[[], None]) -> Entry:
        """Do `action()` at `when`, or soon after."""
        entry = Entry(when, action)
        if not self._heap or when < self._heap[0][0]:
            self._earlier.set()
        heapq.heappush(self._heap, (when, next(self._number), entry))
        return entry

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            now = self._clock.monotonic()
            while self._heap and self._heap[0][0] <= now:
                action = heapq.heappop(self._heap)[2].action
                if action is not None:
                    action()
            self._earlier.clear()
            wait = self._heap[0][0] - self._clock.monotonic() if self._heap else IDLE_SECONDS
            if wait > 0:
                try:
                    await self._clock.wait_for(self._earlier.wait(), wait)
                except TimeoutError:
                    continue
