"""The node's lease and status: written when they say something new, and again when somebody else has overruled them."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sampan.aio.tasks import TaskOwner
from sampan.api.kinds import coordination_v1, core_v1
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.heartbeat import Heartbeat
from sampan.kubelet.machine import machine
from sampan.testing.clock import VirtualClock
from sampan.testing.fakeapi import FakeApi


class CountingApi(FakeApi):
    reads = 0

    async def get(self, *arguments: Any, **named: Any) -> Any:
        self.reads += 1
        return await super().get(*arguments, **named)


class World:
    """A heartbeat over a fake API; `ready` is what the node finds of itself."""

    def __init__(self, tmp_path: Path) -> None:
        self.clock = VirtualClock()
        self.api = CountingApi(self.clock, random.Random(1))
        self.ready = "True"
        config = KubeletConfig(node_name="n", node_ips=("192.0.2.2",), root=tmp_path)
        self.heartbeat = Heartbeat(
            self.api, self.clock, random.Random(2), config, machine(), describe=self.describe, on_node=lambda node: None
        )

    async def describe(self, _known: Any) -> Any:
        condition = core_v1.NodeCondition(type="Ready", status=self.ready, reason="KubeletReady")
        return core_v1.NodeStatus(
            conditions=[condition], addresses=[core_v1.NodeAddress(type="InternalIP", address="192.0.2.2")]
        )

    @property
    def shown(self) -> str:
        return str(self.api.peek(core_v1.Node, "n").status.conditions[0].status)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    await made.heartbeat.register()
    async with TaskOwner("test") as owner:
        owner.start(made.heartbeat.run, name="heartbeat")
        await made.clock.advance(1)
        yield made


async def test_an_idle_node_writes_its_lease_only(world: World) -> None:
    await world.clock.advance(1)
    before = world.heartbeat.writes, world.heartbeat.renewals
    reads = world.api.reads
    await world.clock.advance(60)
    assert world.heartbeat.writes == before[0] and world.heartbeat.renewals - before[1] == 6
    assert world.api.peek(coordination_v1.Lease, "n", "kube-node-lease")
    assert world.api.reads == reads, "what others do to the Node is heard from a watch"


async def test_a_node_called_lost_says_that_it_is_not(world: World) -> None:
    def lost(node: Any) -> None:
        node.status.conditions[0].status = "Unknown"

    world.api.change(core_v1.Node, "n", None, lost)
    await world.clock.advance(0.1)
    assert world.shown == "True"


async def test_a_change_is_told_at_the_next_look(world: World) -> None:
    world.ready = "False"
    world.heartbeat.changed()
    await world.clock.advance(0.1)
    assert world.shown == "False"


async def test_a_deleted_node_comes_back(world: World) -> None:
    world.api.remove(core_v1.Node, "n")
    await world.clock.advance(0.1)
    assert world.shown == "True"
