"""Leader election: one holder at a time, hand-over, and a stopped process that wakes up late."""

from __future__ import annotations

import asyncio
import random

import pytest

from sampan.api.kinds import coordination_v1, core_v1, meta_v1
from sampan.client.errors import NotLeader, Unreachable
from sampan.client.leader import Fenced, LeaderElector
from sampan.testing.clock import VirtualClock, settle
from sampan.testing.fakeapi import FakeApi


class Process:
    """One candidate; `leads` while its work runs."""

    def __init__(self, api: FakeApi, clock: VirtualClock, identity: str) -> None:
        self.elector = LeaderElector(api, clock, random.Random(1), name="controllers", identity=identity)
        self.leads = False
        self.task = asyncio.create_task(self.elector.run(self._work))

    async def _work(self) -> None:
        self.leads = True
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.leads = False

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_one_leads_and_hands_over_when_it_ends() -> None:
    clock = VirtualClock()
    api = FakeApi(clock)
    first, second = Process(api, clock, "one"), Process(api, clock, "two")
    await clock.advance(60)
    assert (first.leads, second.leads) == (True, False)
    await first.stop()
    await clock.advance(5)
    assert second.leads
    assert api.peek(coordination_v1.Lease, "controllers", "kube-system").spec.leaseTransitions == 1
    await second.stop()


async def test_a_holder_that_cannot_renew_stops_before_the_next_starts() -> None:
    clock, other = VirtualClock(), VirtualClock()
    api = FakeApi(clock)
    first = Process(api, clock, "one")
    await clock.advance(3)
    second = Process(api, other, "two")
    api.fail("get", "leases", Unreachable("cut off"), times=1)
    await settle()
    api.fail("*", "leases", Unreachable("cut off"), times=100)
    await clock.advance(11)
    assert not first.leads
    assert isinstance(first.task.exception(), NotLeader)
    await second.stop()


async def test_a_stopped_process_that_wakes_past_its_lease_cannot_write() -> None:
    asleep, awake = VirtualClock(), VirtualClock()
    api = FakeApi(awake)
    first = Process(api, asleep, "one")
    await asleep.advance(3)
    second = Process(api, awake, "two")
    await awake.advance(20)
    assert second.leads
    fenced = Fenced(api, first.elector.leadership)
    asleep._now += 20
    with pytest.raises(NotLeader):
        await fenced.create(core_v1.ConfigMap(metadata=meta_v1.ObjectMeta(name="x", namespace="a")))
    assert (await fenced.list(core_v1.ConfigMap)).items == []
    await first.stop()
    await second.stop()
