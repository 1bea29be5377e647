"""A component dies where it stands: at each point once, with its children, and no clean-up is run."""

from __future__ import annotations

import asyncio
from typing import Any

from sampan.testing.clock import settle
from sampan.testing.lives import Fatal, Life, Outside, chosen


class Diary:
    """Outlives whoever writes into it; an entry takes a while."""

    def __init__(self) -> None:
        self.entries: list[str] = []

    async def write(self, entry: str) -> None:
        await asyncio.sleep(0)
        self.entries.append(entry)


async def component(diary: Any) -> None:
    """Writes a, then b and c side by side, then d; e however it ends."""
    try:
        await diary.write("a")
        async with asyncio.TaskGroup() as group:
            group.create_task(diary.write("b"), name="child 1")
            group.create_task(diary.write("c"), name="child 2")
        await diary.write("d")
    finally:
        await diary.write("e")


async def lived(fatal: Fatal | None, outlived: bool) -> tuple[Life, list[str]]:
    diary = Diary()
    life = Life(fatal)
    task = life.start(lambda: component(Outside(diary) if outlived else diary), name="diarist")
    await settle()
    assert task.done()
    told = list(diary.entries)
    life.bury()
    return life, told


async def test_a_life_ends_at_each_of_its_points() -> None:
    life, told = await lived(None, outlived=False)
    assert told == ["a", "b", "c", "d", "e"]
    ends = [(await lived(fatal, outlived=False))[1] for fatal in life.points]
    assert ends == [told[:count] for count in (0, 1, 1, 1, 2, 3, 3, 4, 5)]


async def test_what_was_asked_is_done_although_its_asker_died() -> None:
    life, _ = await lived(None, outlived=True)
    first = next(point for point in life.points if point.place[0] == "diarist")
    _, told = await lived(first, outlived=True)
    assert told == ["a"]


async def test_a_place_is_taken_the_first_times_that_it_is_come_by() -> None:
    async def runs() -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    life = Life()
    life.start(runs, name="loop")
    await settle()
    assert [point.time for point in chosen(life.points, times=3)] == [1, 2, 3, 1]
    assert len(chosen(life.points, times=10, most=4)) == 4
