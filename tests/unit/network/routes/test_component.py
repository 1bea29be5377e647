"""Nodes come, go and move, and the ways to their pods with them."""

from __future__ import annotations

import asyncio
import errno
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sampan.aio.tasks import TaskOwner
from sampan.api.kinds import core_v1, meta_v1
from sampan.client.informers import Informers
from sampan.network.netlink.route import Route
from sampan.network.routes.component import COMPARE_SECONDS, PodRoutes
from sampan.network.routes.peers import peer
from sampan.testing.clock import VirtualClock
from sampan.testing.fakeapi import FakeApi


class Tables:
    """A kernel's routes; those to a gateway in `nowhere` are refused."""

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {"10.244.9.0/24": Route("10.244.9.0/24", "192.0.2.99")}
        self.nowhere: set[str] = set()
        self.changes = 0

    def held(self) -> set[Route]:
        return set(self.routes.values())

    def add(self, entry: Route) -> None:
        self.changes += 1
        if entry.gateway in self.nowhere:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        self.routes[entry.destination] = entry

    def delete(self, entry: Route) -> None:
        self.changes += 1
        if self.routes.get(entry.destination) == entry:
            del self.routes[entry.destination]

    def close(self) -> None: ...

    @property
    def ways(self) -> dict[str, str]:
        return {entry.destination: entry.gateway for entry in self.routes.values()}


def node(name: str, address: str, *ranges: str) -> Any:
    return core_v1.Node(
        metadata=meta_v1.ObjectMeta(name=name),
        spec=core_v1.NodeSpec(podCIDRs=list(ranges)),
        status=core_v1.NodeStatus(addresses=[core_v1.NodeAddress(type="InternalIP", address=address)]),
    )


class Setting:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.api = FakeApi(self.clock)
        self.tables = Tables()
        rng = random.Random(1)
        self.informers = Informers(self.api, self.clock, rng)
        self.routes = PodRoutes(informers=self.informers, clock=self.clock, rng=rng, node_name="n1", tables=self.tables)

    async def run(self) -> None:
        async with TaskOwner("test") as owner:
            self.informers.start(owner)
            await self.routes.run()


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    setting = Setting()
    setting.api.add(node("n1", "192.0.2.1", "10.244.0.0/24"), node("n2", "192.0.2.2", "10.244.1.0/24"))
    task = asyncio.create_task(setting.run())
    await setting.clock.advance(1)
    yield setting
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_ways_lead_to_the_others_and_what_led_to_nobody_is_gone(setting: Setting) -> None:
    assert setting.tables.ways == {"10.244.1.0/24": "192.0.2.2"}
    assert setting.routes.healthy()
    assert setting.routes.statistics() == {"peers": 1, "entries": 1, "problems": {}}


async def test_a_node_comes_moves_and_goes(setting: Setting) -> None:
    setting.api.add(node("n3", "192.0.2.3", "10.244.2.0/24"))
    await setting.clock.advance(0)
    assert setting.tables.ways["10.244.2.0/24"] == "192.0.2.3"
    changes = setting.tables.changes
    setting.api.change(core_v1.Node, "n3", None, lambda n: setattr(n.status.addresses[0], "address", "192.0.2.30"))
    await setting.clock.advance(0)
    assert setting.tables.ways["10.244.2.0/24"] == "192.0.2.30"
    assert setting.tables.changes <= changes + 2, "what leads to others is left alone"
    setting.api.remove(core_v1.Node, "n3")
    await setting.clock.advance(0)
    assert setting.tables.ways == {"10.244.1.0/24": "192.0.2.2"}


async def test_a_change_that_moves_nobody_touches_nothing(setting: Setting) -> None:
    changes = setting.tables.changes
    setting.api.change(core_v1.Node, "n2", None, lambda n: setattr(n.metadata, "labels", {"a": "b"}))
    await setting.clock.advance(1)
    assert setting.tables.changes == changes


async def test_a_range_that_goes_from_one_node_to_another(setting: Setting) -> None:
    setting.api.add(node("n3", "192.0.2.3", "10.244.1.0/24"))
    await setting.clock.advance(0)
    setting.api.remove(core_v1.Node, "n2")
    await setting.clock.advance(0)
    assert setting.tables.ways == {"10.244.1.0/24": "192.0.2.3"}


async def test_a_node_that_is_not_reached_is_told_and_tried_again(setting: Setting) -> None:
    setting.tables.nowhere.add("198.51.100.3")
    setting.api.add(node("n3", "198.51.100.3", "10.244.2.0/24"))
    await setting.clock.advance(0)
    assert setting.routes.statistics()["problems"] == {"n3": "no way to node n3: Network is unreachable"}
    setting.tables.nowhere.clear()
    await setting.clock.advance(60)
    assert setting.routes.healthy() and "10.244.2.0/24" in setting.tables.ways


async def test_a_route_that_somebody_took_away_is_put_back(setting: Setting) -> None:
    setting.tables.routes.clear()
    await setting.clock.advance(COMPARE_SECONDS + 1)
    assert setting.tables.ways == {"10.244.1.0/24": "192.0.2.2"}


def test_what_cannot_be_read_of_a_node_is_left_out() -> None:
    assert peer(node("n", "nowhere", "10.244.1.0/24")) is None
    assert peer(node("n", "192.0.2.1", "everything")) is None
    assert peer(core_v1.Node(metadata=meta_v1.ObjectMeta(name="n"))) is None
    both = peer(node("n", "2001:DB8::1", "10.244.1.0/24", "fd00:0::/64"))
    assert both is not None and both.addresses == ("2001:db8::1",) and both.ranges == ("10.244.1.0/24", "fd00::/64")
    assert (both.address(4), both.address(6)) == ("", "2001:db8::1")
