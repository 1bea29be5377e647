"""Virtual time: hours pass when the test says so, in the order the sleepers asked for.

`advance(seconds)` moves the clock from one sleeper's due time to the next, and after each lets every task run until
none can go on, so that what happens at second 10 is done before second 11 begins. Works with asyncio's own event loop,
where it can see that nothing is left to run; nothing under test may wait for real I/O.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")
START = 1_767_225_600.0
"""2026-01-01T00:00:00Z, when virtual time begins unless told otherwise."""
MANY_TURNS = 100_000


class VirtualClock:
    """A `sampan.aio.clock.Clock` that stands still until `advance`."""

    def __init__(self, start: float = START) -> None:
        self._start = start
        self._now = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self._start + self._now

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), future))
        await future

    async def wait_for(self, awaitable: Awaitable[T], seconds: float | None) -> T:
        task = asyncio.ensure_future(awaitable)
        if seconds is None:
            return await task
        timer = asyncio.ensure_future(self.sleep(seconds))
        try:
            await asyncio.wait({task, timer}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise TimeoutError
        finally:
            for waiting in (task, timer):
                waiting.cancel()
            await asyncio.gather(task, timer, return_exceptions=True)

    async def advance(self, seconds: float) -> None:
        """Lets `seconds` pass, waking sleepers in order; returns when every task waits again."""
        target = self._now + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= target:
            due, _, future = heapq.heappop(self._sleepers)
            if future.done():
                continue
            self._now = max(self._now, due)
            future.set_result(None)
            await settle()
        self._now = target

    async def turn(self) -> None:
        """One turn of the loop; when all tasks wait, the next sleeper is woken: the smallest step there is."""
        await asyncio.sleep(0)
        ready: Any = getattr(asyncio.get_running_loop(), "_ready", None)
        while not ready and self._sleepers:
            due, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                self._now = max(self._now, due)
                future.set_result(None)
                return

    async def jump(self, seconds: float) -> None:
        """Lets `seconds` pass at once with nobody running meanwhile, as for a process that was stopped."""
        self._now += seconds
        await self.advance(0)


async def settle() -> None:
    """Lets other tasks run until all of them wait for something."""
    ready: Any = getattr(asyncio.get_running_loop(), "_ready", None)
    for _ in range(MANY_TURNS):
        await asyncio.sleep(0)
        if ready is not None and not ready:
            return
    if ready is not None:
        raise RuntimeError(f"tasks still run after {MANY_TURNS} turns of the loop: one of them spins")
