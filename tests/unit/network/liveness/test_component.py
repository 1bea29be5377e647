"""The nodes of an API, whose answers stop and come back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sampan.aio.tasks import TaskOwner
from sampan.api.kinds import core_v1, meta_v1
from sampan.client.informers import Informers
from sampan.network.liveness.component import PeerLiveness
from sampan.network.liveness.judgement import Probe
from sampan.testing.clock import VirtualClock
from sampan.testing.fakeapi import FakeApi


class Network:
    """Answers for every address that is not `dead`."""

    def __init__(self) -> None:
        self.dead: set[str] = set()
        self.sent: list[Probe] = []
        self._answers: set[str] = set()

    def send(self, probe: Probe) -> None:
        self.sent.append(probe)
        self._answers |= {probe.place.address} - self.dead

    def received(self) -> set[str]:
        found, self._answers = self._answers, set()
        return found

    def close(self) -> None: ...


def node(name: str, address: str) -> Any:
    endpoint = core_v1.DaemonEndpoint(Port=10250)
    return core_v1.Node(
        metadata=meta_v1.ObjectMeta(name=name),
        status=core_v1.NodeStatus(
            addresses=[core_v1.NodeAddress(type="InternalIP", address=address)] if address else [],
            daemonEndpoints=core_v1.NodeDaemonEndpoints(kubeletEndpoint=endpoint),
        ),
    )


class Setting:
    def __init__(self) -> None:
        self.clock, rng, self.network = VirtualClock(), random.Random(1), Network()
        self.api = FakeApi(self.clock)
        self.told: list[set[str]] = []
        self.informers = Informers(self.api, self.clock, rng)
        self.liveness = PeerLiveness(
            informers=self.informers, clock=self.clock, rng=rng, node_name="n1",
            tell=[lambda names: self.told.append(set(names))], probes=lambda: self.network,
        )  # fmt: skip

    async def run(self) -> None:
        async with TaskOwner("test") as owner:
            self.informers.start(owner)
            await self.liveness.run()


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    setting = Setting()
    setting.api.add(*(node(f"n{number}", f"192.0.2.{number}") for number in (1, 2, 3)), node("new", ""))
    task = asyncio.create_task(setting.run())
    await setting.clock.advance(5)
    yield setting
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_others_are_asked_and_nobody_hears_of_those_that_answer(setting: Setting) -> None:
    assert {probe.place for probe in setting.network.sent} == {("192.0.2.2", 10250), ("192.0.2.3", 10250)}
    assert not any(probe.thorough for probe in setting.network.sent)
    assert len(setting.network.sent) <= 2 * 11
    assert setting.told == []


async def test_a_dead_node_is_told_of_within_two_seconds_and_again_when_it_is_back(setting: Setting) -> None:
    setting.network.dead = {"192.0.2.2"}
    await setting.clock.advance(2)
    assert setting.told == [{"n2"}]
    assert setting.liveness.statistics()["unreachable"] == ["n2"]
    assert any(probe.thorough for probe in setting.network.sent)
    setting.network.dead = set()
    await setting.clock.advance(2)
    assert setting.told == [{"n2"}, set()]


async def test_a_dead_node_that_is_deleted_or_moves_is_not_unreachable_any_more(setting: Setting) -> None:
    setting.network.dead = {"192.0.2.2"}
    await setting.clock.advance(2)
    addresses = [core_v1.NodeAddress(type="InternalIP", address="192.0.2.22")]
    setting.api.change(core_v1.Node, "n2", None, lambda n: setattr(n.status, "addresses", addresses))
    await setting.clock.advance(1)
    assert setting.told == [{"n2"}, set()]
    setting.network.dead = {"192.0.2.22"}
    await setting.clock.advance(2)
    setting.api.remove(core_v1.Node, "n2")
    await setting.clock.advance(1)
    assert setting.told[2:] == [{"n2"}, set()]
