"""Processes that may stand still, and the way between two programs: messages take time, wait, or are lost.

TCP loses no message in the middle: what is lost is a connection, and with it everything under way and every answer
still expected. So a link that is cut tells all who wait on it; one that is a hole holds messages until it passes them
again, or until a keep-alive gives the connection up.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from typing import Any, Literal, TypeVar

from sampan.testing.clock import VirtualClock

T = TypeVar("T")

Mode = Literal["pass", "cut", "hole"]
KEEPALIVE_SECONDS = 9.0
"""After so long a silence a connection is given up, as `aio.grpc.keepalive` does."""
SECONDS = 0.002


class Broken(Exception):
    """The connection was lost, and with it what was under way."""


class Gate:
    """Something to wait at while it is closed."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []
        self.closed = False

    async def passed(self) -> None:
        while self.closed:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future

    def shut(self) -> None:
        self.closed = True

    def open(self) -> None:
        self.closed = False
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)


class Process(VirtualClock):
    """The clock of one process: its calendar may be wrong, and while it is stopped nothing of it wakes."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock
        self.skew = 0.0
        self.gate = Gate()

    @property
    def outside(self) -> VirtualClock:
        """The time of everybody else."""
        return self._clock

    def now(self) -> float:
        return self._clock.now() + self.skew

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        await self.gate.passed()


class Link:
    """The way between a process and a program elsewhere; `seconds` is the longest a message takes.

    `lossy` is the probability that the connection breaks under an answer; `doubling` that what may be sent twice is.
    """

    def __init__(self, process: Process, rng: random.Random) -> None:
        self._process = process
        self._rng = rng
        self._broken: dict[asyncio.Future[None], None] = {}
        self._held = Gate()
        self._number = 0
        self.mode: Mode = "pass"
        self.seconds = SECONDS
        self.lossy = 0.0
        self.doubling = 0.0
        self.connected = False

    def set(self, mode: Mode) -> None:
        """From now on, for what is under way too."""
        self.mode = mode
        self._number += 1
        if mode == "cut":
            self.sever()
        if mode == "hole":
            self._held.shut()
            asyncio.get_running_loop().create_task(self._give_up(self._number))
        else:
            self._held.open()

    async def _give_up(self, number: int) -> None:
        await self._process.sleep(KEEPALIVE_SECONDS)
        if self._number == number:
            self.sever()

    def sever(self) -> None:
        """The connection is lost; another may be made at once if the link passes."""
        self.connected = False
        broken, self._broken = self._broken, {}
        for future in broken:
            if not future.done():
                future.set_result(None)

    async def there(self) -> None:
        """A message goes to the other program; raises `Broken`."""
        await self._carry()

    async def back(self) -> None:
        """A message comes from it, and is taken by the process when that runs; raises `Broken`."""
        if self._rng.random() < self.lossy:
            self.sever()
        await self._carry()
        await self._process.gate.passed()

    async def during(self, work: Awaitable[T]) -> T:
        """What `work` gives, which goes on by itself when the connection breaks before; raises `Broken` then."""
        task = asyncio.ensure_future(work)
        task.add_done_callback(_look_at)
        end = self.end()
        waited: set[asyncio.Future[Any]] = {task, end}
        try:
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise Broken
        finally:
            end.cancel()

    def twice(self) -> bool:
        """Whether a message that may be sent twice is."""
        return self._rng.random() < self.doubling

    async def _carry(self) -> None:
        end = self.end()
        delay = self._rng.random() * self.seconds
        await self._process.outside.sleep(delay)
        await self._held.passed()
        if end.done():
            raise Broken
        self._broken.pop(end, None)

    def end(self) -> asyncio.Future[None]:
        """Done when the connection breaks; at once if there is none to be had."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.mode == "cut":
            future.set_result(None)
        else:
            self._broken[future] = None
            future.add_done_callback(lambda ended: self._broken.pop(ended, None))
        return future


def _look_at(task: asyncio.Future[Any]) -> None:
    """Takes note of a failure that nobody may be left to be told of."""
    if not task.cancelled():
        task.exception()
