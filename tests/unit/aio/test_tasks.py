"""What a task's failure means is said where it is started."""

from __future__ import annotations

import asyncio
import random

import pytest

from sampan.aio.backoff import Backoff
from sampan.aio.tasks import TaskOwner
from sampan.testing.clock import VirtualClock


async def fail() -> None:
    raise ValueError("broken")


async def forever() -> None:
    await asyncio.Event().wait()


async def test_a_failing_task_fails_its_owner() -> None:
    async with TaskOwner("owner") as owner:
        owner.start(forever, name="forever")
        owner.start(fail, name="fail")
        with pytest.raises(ValueError, match="broken"):
            await owner.wait()
    assert owner.statistics() == []


async def test_a_logged_failure_ends_only_its_task(caplog: pytest.LogCaptureFixture) -> None:
    async with TaskOwner("owner") as owner:
        owner.start(fail, name="fail", policy="log")
        await owner.wait()
    assert "task=owner/fail" in caplog.text


async def test_a_restarted_task_waits_ever_longer() -> None:
    clock = VirtualClock()
    starts: list[float] = []

    async def work() -> None:
        starts.append(clock.monotonic())
        raise ValueError("again")

    async with TaskOwner("owner", clock=clock, backoff=Backoff(base=1, cap=60, rng=random.Random(1))) as owner:
        owner.start(work, name="work", policy="restart")
        await clock.advance(7.5)
    assert [round(s - starts[0]) for s in starts] == [0, 1, 3, 7]
