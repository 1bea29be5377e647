"""No end of a container is missed, whenever it comes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sampan.cri.messages import pb
from sampan.kubelet import labels
from sampan.kubelet.watcher import RuntimeWatcher, Subscriber
from sampan.testing.clock import VirtualClock
from sampan.testing.fakecri import FakeRuntime


class Told:
    def __init__(self) -> None:
        self.woken = 0
        self.ended: list[str] = []

    def subscriber(self) -> Subscriber:
        return Subscriber(wake=self.wake, ended=self.ended.append)

    def wake(self) -> None:
        self.woken += 1


@asynccontextmanager
async def watching(clock: VirtualClock, runtime: FakeRuntime) -> AsyncIterator[RuntimeWatcher]:
    watcher = RuntimeWatcher(
        runtime, clock, random.Random(1), relist=60.0, relist_without_events=1.0, changed=lambda: None
    )
    task = asyncio.create_task(watcher.run())
    await clock.advance(0)
    yield watcher
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def running(runtime: FakeRuntime, name: str) -> None:
    runtime.containers[name] = pb.ContainerStatus(
        id=name,
        metadata=pb.ContainerMetadata(name=name),
        state=pb.CONTAINER_RUNNING,
        labels={labels.POD_UID: "u"},
    )


async def test_an_end_is_told_at_once_to_whom_it_concerns() -> None:
    clock, told, other = VirtualClock(), Told(), Told()
    runtime = FakeRuntime(clock)
    running(runtime, "c")
    async with watching(clock, runtime) as watcher:
        watcher.subscribe("u", told.subscriber())
        watcher.subscribe("v", other.subscriber())
        watcher.belongs(["c"], "u")
        runtime.exit("c")
        await clock.advance(0)
        assert (told.ended, other.ended) == (["c"], [])


async def test_an_end_before_anybody_claims_it_is_kept() -> None:
    clock, told = VirtualClock(), Told()
    runtime = FakeRuntime(clock)
    running(runtime, "c")
    async with watching(clock, runtime) as watcher:
        watcher.subscribe("u", told.subscriber())
        runtime.exit("c")
        await clock.advance(0)
        assert told.ended == []
        watcher.belongs(["c"], "u")
        assert told.ended == ["c"]


async def test_an_end_before_the_stream_began_is_found() -> None:
    clock, told = VirtualClock(), Told()
    runtime = FakeRuntime(clock)
    running(runtime, "c")
    async with watching(clock, runtime) as watcher:
        watcher.subscribe("u", told.subscriber())
        watcher.belongs(["c"], "u")
        runtime.containers["c"].state = pb.CONTAINER_EXITED
        await clock.advance(1)
        assert told.woken == 1
        runtime.go_away()
        runtime.come_back()
        await clock.advance(0.5)
        assert told.woken == 2, "the runtime returned"
        runtime.containers["c"].state = pb.CONTAINER_UNKNOWN
        await clock.advance(1)
        assert told.woken == 3


async def test_the_safety_net_wakes_only_what_changed() -> None:
    clock, told = VirtualClock(), Told()
    runtime = FakeRuntime(clock)
    running(runtime, "c")
    async with watching(clock, runtime) as watcher:
        watcher.subscribe("u", told.subscriber())
        await clock.advance(200)
        assert told.woken == 1
        assert watcher.statistics()["relists"] == 4
