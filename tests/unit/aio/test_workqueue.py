"""The three promises of the work queue, in virtual time."""

from __future__ import annotations

import asyncio
import random

import pytest

from sampan.aio.backoff import Backoff
from sampan.aio.workqueue import QueueClosed, WorkQueue
from sampan.testing.clock import VirtualClock


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def queue(clock: VirtualClock) -> WorkQueue[str]:
    return WorkQueue(clock, Backoff(base=1, cap=8, rng=random.Random(1)))


async def test_a_key_added_twice_is_handed_out_once(queue: WorkQueue[str]) -> None:
    for key in ("a", "b", "a"):
        queue.add(key)
    assert [await queue.get(), await queue.get()] == ["a", "b"]
    assert len(queue) == 0


async def test_a_key_being_worked_on_waits_for_done(queue: WorkQueue[str]) -> None:
    queue.add("a")
    key = await queue.get()
    queue.add("a")
    assert len(queue) == 0
    queue.done(key)
    assert await queue.get() == "a"


async def test_the_earliest_of_several_delays_holds(queue: WorkQueue[str], clock: VirtualClock) -> None:
    queue.add_after("a", 5)
    queue.add_after("a", 2)
    queue.add_after("a", 9)
    getting = asyncio.ensure_future(queue.get())
    await clock.advance(1.9)
    assert not getting.done()
    await clock.advance(0.1)
    assert getting.done()


async def test_failures_wait_longer_each_time_and_forget_resets(queue: WorkQueue[str], clock: VirtualClock) -> None:
    for seconds in (1, 2, 4, 8, 8):
        queue.add_rate_limited("a")
        await clock.advance(seconds - 0.1)
        assert len(queue) == 0
        await clock.advance(0.1)
        queue.done(await queue.get())
    queue.forget("a")
    queue.add_rate_limited("a")
    await clock.advance(1)
    assert len(queue) == 1


async def test_a_cancelled_worker_passes_its_key_on(queue: WorkQueue[str]) -> None:
    first, second = asyncio.ensure_future(queue.get()), asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    assert await second == "a"


async def test_close_wakes_those_who_wait(queue: WorkQueue[str]) -> None:
    getting = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.close()
    with pytest.raises(QueueClosed):
        await getting
