"""The scheduling queue: order, back-off, and that each event wakes just enough."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np

from sampan.scheduler.census import Identity
from sampan.scheduler.needs import Needs
from sampan.scheduler.queue import SchedulingQueue
from sampan.scheduler.records import PodRecord
from sampan.testing.clock import VirtualClock

NEEDS = Needs(vector=np.zeros(6, np.int64), columns=np.zeros(0, np.intp), amounts=np.zeros(0, np.int64))


def pod(name: str, *, priority: int = 0, created: float = 0.0) -> PodRecord:
    identity = Identity("default", {}, "", ())
    return PodRecord(
        namespace="default", name=name, uid=name, needs=NEEDS, identity=identity, priority=priority, created=created
    )


def names(queue: SchedulingQueue) -> list[str]:
    """Pops all there is."""
    found = []
    while (one := queue.pop()) is not None:
        found.append(one.name)
    return found


def parked(queue: SchedulingQueue, *pods: PodRecord, key: Any = "k") -> None:
    for one in pods:
        queue.add(one)
    while (popped := queue.pop()) is not None:
        queue.park(popped, key)


async def test_priority_then_age() -> None:
    clock = VirtualClock()
    queue = SchedulingQueue(clock)
    queue.add(pod("old"))
    await clock.advance(1)
    queue.add(pod("new"))
    queue.add(pod("urgent", priority=5))
    assert names(queue) == ["urgent", "old", "new"]


async def test_parked_pod_stays_until_woken() -> None:
    clock = VirtualClock()
    queue = SchedulingQueue(clock)
    parked(queue, pod("p"))
    await clock.advance(100)
    assert queue.pop() is None
    assert queue.statistics() == {"active": 0, "backoff": 0, "unschedulable": 1}
    for group, _ in queue.groups():
        queue.wake(group)
    assert names(queue) == ["p"]
    assert len(queue) == 0


async def test_success_wakes_the_next_and_failure_does_not() -> None:
    clock = VirtualClock()
    queue = SchedulingQueue(clock)
    parked(queue, pod("a", created=1), pod("b", created=2), pod("c", created=3), pod("urgent", created=4, priority=1))
    await clock.advance(20)
    for group, _ in queue.groups():
        queue.wake(group)
        queue.wake(group)
    tried = []
    for placed in (True, True, False):
        one = queue.pop()
        assert one is not None
        tried.append(one.name)
        if placed:
            queue.settled(one)
        else:
            queue.park(one, "k")
    assert tried == ["urgent", "a", "b"]
    assert queue.pop() is None
    assert queue.statistics()["unschedulable"] == 2


async def test_deleting_a_woken_pod_wakes_the_next() -> None:
    clock = VirtualClock()
    queue = SchedulingQueue(clock)
    first, second = pod("a", created=1), pod("b", created=2)
    parked(queue, first, second)
    await clock.advance(20)
    for group, _ in queue.groups():
        queue.wake(group)
    queue.remove(first)
    assert names(queue) == ["b"]


async def test_backoff_is_skipped_when_nothing_else_is_to_do() -> None:
    clock = VirtualClock()
    queue = SchedulingQueue(clock)
    parked(queue, pod("p"))
    for group, _ in queue.groups():
        queue.wake(group)
    assert queue.statistics()["backoff"] == 1
    queue.add(pod("other"))
    assert names(queue) == ["other", "p"]


async def test_fault_waits_its_time_and_doubles() -> None:
    clock = VirtualClock()
    queue = SchedulingQueue(clock)
    queue.add(pod("p"))
    for wait in (1, 2, 4, 8, 10, 10):
        popped = queue.pop()
        assert popped is not None
        queue.fault(popped)
        await clock.advance(wait - 0.1)
        assert queue.pop() is None
        await clock.advance(0.1)
    assert names(queue) == ["p"]


async def test_ready_waits_for_a_fault_to_end() -> None:
    clock = VirtualClock()
    queue = SchedulingQueue(clock)
    queue.add(pod("p"))
    popped = queue.pop()
    assert popped is not None
    queue.fault(popped)
    waiting = asyncio.ensure_future(queue.ready())
    await clock.advance(0.9)
    assert not waiting.done()
    await clock.advance(0.2)
    assert waiting.done()


async def test_parked_for_long_is_tried_anyway() -> None:
    clock = VirtualClock()
    queue = SchedulingQueue(clock)
    parked(queue, pod("early"))
    lone = pod("alone")
    queue.add(lone)
    queue.pop()
    queue.park_alone(lone)
    await clock.advance(200)
    parked(queue, pod("late"), key="other")
    queue.wake_parked_since(clock.monotonic() - 150)
    assert sorted(names(queue)) == ["alone", "early"]


async def test_removed_from_anywhere() -> None:
    clock = VirtualClock()
    queue = SchedulingQueue(clock)
    pods = [pod(str(number)) for number in range(4)]
    for one in pods:
        queue.add(one)
    for one in pods[1:]:
        queue.remove(one)
        queue.add(one)
    for place in (lambda one: queue.park(one, "k"), queue.park_alone, queue.fault):
        popped = queue.pop()
        assert popped is not None
        place(popped)
    for one in pods:
        queue.remove(one)
        queue.remove(one)
    assert len(queue) == 0
    await clock.advance(1000)
    queue.wake_parked_since(clock.monotonic())
    assert queue.pop() is None
