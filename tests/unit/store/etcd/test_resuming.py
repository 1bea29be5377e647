"""A store that was cut off, over a simulated etcd: its watches go on where they were, or are told that they cannot."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from sampan.store.engine import Engine
from sampan.store.errors import Compacted
from sampan.store.etcd import EtcdStore
from sampan.store.interface import Delete, Put
from sampan.store.memory import MemoryStore
from sampan.testing.clock import VirtualClock
from sampan.testing.simetcd import Answers, Network, Process
from sampan.testing.simetcd.link import Mode

URL = "http://member:2379"


class World:
    """An etcd, and a store on it."""

    def __init__(self, clock: VirtualClock, engine: Engine) -> None:
        self.clock, self.engine = clock, engine
        self.network = Network([URL], Answers(lambda: engine, lambda: "1"), clock, random.Random(1))
        self.process = Process(clock)
        self.store = EtcdStore([URL], self.process, member=self.network.way_of(self.process))

    async def start(self) -> None:
        starting = asyncio.ensure_future(self.store.start())
        await self.clock.advance(1)
        await starting

    def ways(self, mode: Mode) -> None:
        for way in self.network.hosts[URL].ways_of(self.process):
            way.link.set(mode)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock = VirtualClock()
    engine = MemoryStore(clock)
    await engine.start()
    made = World(clock, engine)
    await made.start()
    yield made
    await made.store.close()
    await made.network.close()
    await engine.close()


async def test_a_deletion_at_the_revision_compacted_to_is_not_passed_over(world: World) -> None:
    """etcd before 2025 lets a watch begin there, and has forgotten the deletion."""
    await world.engine.commit([], [Put("/a", b"1"), Put("/b", b"1")])
    await world.clock.advance(1)
    watch = world.store.watch("/", "0", from_revision=world.store.revision)
    world.ways("cut")
    gone = (await world.engine.commit([], [Delete("/a")])).revision
    await world.engine.commit([], [Put("/b", b"2")])
    await world.engine.compact(gone)
    world.ways("pass")
    waiting = asyncio.ensure_future(watch.__anext__())
    await world.clock.advance(10)
    with pytest.raises(Compacted):
        await waiting


async def test_what_was_missed_comes_when_the_way_is_there_again(world: World) -> None:
    watch = world.store.watch("/", "0", from_revision=world.store.revision)
    for mode in ("cut", "hole"):
        world.ways(mode)
        await world.engine.commit([], [Put("/a", mode.encode())])
        await world.engine.commit([], [Delete("/a")])
        await world.clock.advance(20)
        world.ways("pass")
        await world.clock.advance(5)
    seen = []
    while watch.revision < world.engine.revision:
        seen += [event.value for event in await watch.__anext__()]
    assert seen == [b"cut", None, b"hole", None]
