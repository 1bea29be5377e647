"""Pods that start go before the remains of those that have ended."""

from __future__ import annotations

import asyncio

from sampan.kubelet.turns import SandboxTurns
from sampan.testing.clock import settle


class Work:
    """Sandboxes being removed; each until it is told to be done."""

    def __init__(self, turns: SandboxTurns) -> None:
        self._turns = turns
        self.at_it: dict[int, asyncio.Event] = {}
        self.tasks: list[asyncio.Task[None]] = []

    async def begin(self, count: int) -> None:
        self.tasks += [asyncio.create_task(self._remove(len(self.tasks) + number)) for number in range(count)]
        await settle()

    async def _remove(self, number: int) -> None:
        async with self._turns.remove():
            self.at_it[number] = asyncio.Event()
            await self.at_it[number].wait()
        del self.at_it[number]

    async def end(self, *numbers: int) -> None:
        for number in numbers:
            self.at_it[number].set()
        await settle()

    async def end_all(self) -> None:
        while self.at_it:
            await self.end(*self.at_it)
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def test_few_are_removed_while_something_starts() -> None:
    turns = SandboxTurns(making=2, removing=3, meanwhile=1)
    work = Work(turns)
    with turns.starting():
        await work.begin(5)
        assert list(work.at_it) == [0]
        await work.end(0)
        assert list(work.at_it) == [1]
    await settle()
    assert list(work.at_it) == [1, 2, 3]
    async with turns.make():
        await work.end(1, 2, 3)
        assert list(work.at_it) == [4]
    await work.end_all()


async def test_one_that_gives_up_takes_nobody_s_turn() -> None:
    turns = SandboxTurns(making=1, removing=1, meanwhile=1)
    work = Work(turns)
    await work.begin(3)
    work.tasks[1].cancel()
    await settle()
    await work.end(0)
    assert list(work.at_it) == [2]
    await work.end_all()


async def test_one_that_is_ended_as_its_turn_comes_passes_it_on() -> None:
    turns = SandboxTurns(making=1, removing=1, meanwhile=1)
    work = Work(turns)
    await work.begin(3)
    work.at_it[0].set()
    # Its turn has come when the first one leaves, before it knows.
    await asyncio.sleep(0)
    work.tasks[1].cancel()
    await settle()
    assert list(work.at_it) == [2]
    await work.end_all()


async def test_so_many_sandboxes_are_made_at_a_time() -> None:
    turns = SandboxTurns(making=1, removing=1, meanwhile=1)
    async with turns.make():
        second = asyncio.create_task(turns.make().__aenter__())
        await settle()
        assert not second.done()
    await settle()
    assert second.done()
