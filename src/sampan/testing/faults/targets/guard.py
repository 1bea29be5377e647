"""What clients have of a program that may die or stand still: an answer, or that there was none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from sampan.store.errors import Unavailable
from sampan.store.interface import Commit, Compare, Event, Operation, Range, Watch
from sampan.testing.faults.workload import Served
from sampan.testing.simetcd import Process

T = TypeVar("T")
PATIENCE_SECONDS = 3.0


class Guard:
    """`Served` of one incarnation of a program; raises `Unavailable` when that dies, or does not answer in time."""

    def __init__(self, served: Served, process: Process) -> None:
        self._served = served
        self._process = process
        self._clock = process.outside
        self._died: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def die(self) -> None:
        if not self._died.done():
            self._died.set_result(None)

    async def commit(self, compares: Sequence[Compare], operations: Sequence[Operation]) -> Commit:
        return await self._answered(lambda: self._served.commit(compares, operations))

    async def range(
        self, start: str, end: str, *, limit: int = 0, revision: int = 0, count_only: bool = False
    ) -> Range:
        return await self._answered(
            lambda: self._served.range(start, end, limit=limit, revision=revision, count_only=count_only)
        )

    async def lease_grant(self, ttl_s: int) -> int:
        return await self._answered(lambda: self._served.lease_grant(ttl_s))

    def watch(self, start: str, end: str, *, from_revision: int, previous: bool = False) -> Watch:
        if self._died.done():
            raise Unavailable("the program has died")
        watch = self._served.watch(start, end, from_revision=from_revision, previous=previous)
        return GuardedWatch(watch, self)

    async def _answered(self, call: Callable[[], Awaitable[T]]) -> T:
        try:
            return await self._clock.wait_for(self.alive(call), PATIENCE_SECONDS)
        except TimeoutError:
            raise Unavailable("no answer in time") from None

    async def alive(self, call: Callable[[], Awaitable[T]]) -> T:
        """The answer, if the process runs to give it; the call goes on when its caller does not wait."""
        await self._process.gate.passed()
        if self._died.done():
            raise Unavailable("the program has died")
        task = asyncio.ensure_future(call())
        task.add_done_callback(_look_at)
        waited: set[asyncio.Future[Any]] = {task, self._died}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if task.done() and not self._died.done():
            await self._process.gate.passed()
            return task.result()
        raise Unavailable("the program has died")


class GuardedWatch:
    """A watch that ends with its program."""

    def __init__(self, watch: Watch, guard: Guard) -> None:
        self._watch = watch
        self._guard = guard

    @property
    def revision(self) -> int:
        return self._watch.revision

    def __aiter__(self) -> GuardedWatch:
        return self

    async def __anext__(self) -> list[Event]:
        try:
            return await self._guard.alive(self._watch.__anext__)
        except StopAsyncIteration:
            raise Unavailable("the program ended the watch") from None

    def close(self) -> None:
        self._watch.close()


def _look_at(task: asyncio.Future[Any]) -> None:
    """Takes note of a failure that nobody may be left to be told of."""
    if not task.cancelled():
        task.exception()
