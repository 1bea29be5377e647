"""Two controller processes: one acts, and one that was stopped past its lease never acts again by mistake."""

from __future__ import annotations

import asyncio
import random

from sampan.api.kinds import apps_v1, core_v1
from sampan.client.errors import NotLeader
from sampan.client.interface import Client
from sampan.client.leader import run_elected
from sampan.controllers.context import Config
from sampan.controllers.manager import ControllerManager
from sampan.testing.clock import VirtualClock, settle
from sampan.testing.fakeapi import FakeApi
from tests.unit.controllers.harness import replicaset

ONE = Config(enabled=frozenset({"replicaset"}))


class Process:
    def __init__(self, api: FakeApi, identity: str) -> None:
        self.clock = VirtualClock()
        rng = random.Random(identity)

        def make(client: Client) -> ControllerManager:
            return ControllerManager(client, self.clock, rng, ONE)

        elected = run_elected(make, api, self.clock, rng, lease="kube-controller-manager", identity=identity)
        self.task = asyncio.create_task(elected)

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_a_stopped_leader_wakes_and_does_nothing() -> None:
    api = FakeApi()
    first = Process(api, "first")
    await first.clock.advance(3)
    second = Process(api, "second")
    await second.clock.advance(3)
    await api.create(replicaset(replicas=2))
    await first.clock.advance(1)
    assert len(api.all(core_v1.Pod)) == 2

    await second.clock.advance(30)
    api.hold_watches()
    api.change(apps_v1.ReplicaSet, "web", "a", lambda rs: setattr(rs.spec, "replicas", 5))
    first.clock._now += 30
    api.release_watches()
    await settle()
    await second.clock.advance(1)
    assert len(api.all(core_v1.Pod)) == 5
    assert len({pod.metadata.uid for pod in api.all(core_v1.Pod)}) == 5

    await first.clock.advance(10)
    assert isinstance(first.task.exception(), NotLeader)
    await second.stop()
    assert len(api.all(core_v1.Pod)) == 5
