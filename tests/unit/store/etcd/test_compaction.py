"""History goes at intervals, by one of the servers, and not at all where nothing is written."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sampan.aio.tasks import TaskOwner
from sampan.store.etcd.compaction import Compaction
from sampan.store.interface import Put
from sampan.store.memory import MemoryStore
from sampan.testing.clock import VirtualClock

SECONDS = 300.0


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
async def store(clock: VirtualClock) -> AsyncIterator[MemoryStore]:
    """What three servers share."""
    opened = MemoryStore(clock)
    await opened.start()
    async with TaskOwner("servers") as owner:
        for n in range(3):
            server = Compaction(
                clock, SECONDS, look=opened.get, commit=opened.commit, latest=opened.latest, compact=opened.compact
            )
            owner.start(server.run, name=f"server-{n}")
        await clock.advance(1)
        yield opened
    await opened.close()


async def test_history_of_one_to_two_intervals_stays(store: MemoryStore, clock: VirtualClock) -> None:
    written = []
    for n in range(4):
        written.append((await store.commit([], [Put("/a", b"%d" % n)])).revision)
        await clock.advance(SECONDS)
    assert written[1] <= store.compacted < written[3]
    assert store.revision <= written[-1] + 1


async def test_a_still_store_is_not_written_to(store: MemoryStore, clock: VirtualClock) -> None:
    await store.commit([], [Put("/a", b"")])
    await clock.advance(3 * SECONDS)
    revision = store.revision
    await clock.advance(20 * SECONDS)
    assert store.revision == revision
