"""What the API is told of a pod: only what changed, and again when somebody else has changed it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sampan.aio.tasks import TaskOwner
from sampan.api.kinds import core_v1, meta_v1
from sampan.kubelet.publisher import StatusPublisher
from sampan.testing.clock import VirtualClock
from sampan.testing.fakeapi import FakeApi


def status(ready: str) -> Any:
    return core_v1.PodStatus(phase="Running", conditions=[core_v1.PodCondition(type="Ready", status=ready)])


@pytest.fixture
async def world() -> AsyncIterator[tuple[FakeApi, StatusPublisher, VirtualClock, Any]]:
    clock = VirtualClock()
    api = FakeApi(clock)
    (pod,) = api.add(
        core_v1.Pod(
            metadata=meta_v1.ObjectMeta(name="a", namespace="ns"),
            spec=core_v1.PodSpec(containers=[core_v1.Container(name="c")]),
        )
    )
    publisher = StatusPublisher(api, clock, random.Random(1))
    async with TaskOwner("test") as owner:
        owner.start(publisher.run, name="publisher")
        yield api, publisher, clock, pod


def ready(api: FakeApi) -> str:
    pod = api.peek(core_v1.Pod, "a", "ns")
    return next(c.status for c in pod.status.conditions if c.type == "Ready")


async def test_the_same_status_is_sent_once(world: Any) -> None:
    api, publisher, clock, pod = world
    for _ in range(3):
        publisher.report(pod, status("True"))
        await clock.advance(1)
    assert ready(api) == "True" and len(api.writes) == 1


async def test_a_condition_that_another_changed_is_restored(world: Any) -> None:
    api, publisher, clock, pod = world
    publisher.report(pod, status("True"))
    await clock.advance(1)

    def lost(pod: Any) -> None:
        pod.status.conditions[0].status = "False"

    changed = api.change(core_v1.Pod, "a", "ns", lost)
    publisher.seen(pod, changed)
    await clock.advance(1)
    assert ready(api) == "True"


async def test_an_event_older_than_what_was_written_is_no_change(world: Any) -> None:
    api, publisher, clock, pod = world
    publisher.report(pod, status("False"))
    await clock.advance(1)
    older = api.peek(core_v1.Pod, "a", "ns")
    publisher.report(pod, status("True"))
    await clock.advance(1)
    publisher.seen(pod, older)
    await clock.advance(1)
    assert ready(api) == "True" and len(api.writes) == 2
