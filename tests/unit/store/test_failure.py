"""What happens when the disk refuses: nobody is told a lie, and nothing half-done is seen."""

from __future__ import annotations

import asyncio

import pytest

from sampan.store.engine import Engine
from sampan.store.errors import QuotaExceeded, Unavailable
from sampan.store.interface import Compare, Put
from sampan.store.log import Unit, Written
from sampan.store.memory import MemoryLog
from sampan.testing.clock import VirtualClock, settle


class FailingLog(MemoryLog):
    """A log that holds what it is given until `release`, which may be a failure."""

    def __init__(self) -> None:
        super().__init__()
        self.held: tuple[Unit, Written] | None = None

    def append(self, unit: Unit, written: Written) -> None:
        assert self.held is None, "one unit at a time"
        self.held = (unit, written)

    def release(self, error: Exception | None = None) -> None:
        assert self.held is not None
        (unit, written), self.held = self.held, None
        if error is None:
            super().append(unit, written)
        else:
            written(error, {})


@pytest.fixture
def log() -> FailingLog:
    return FailingLog()


@pytest.fixture
async def store(log: FailingLog) -> Engine:
    engine = Engine(log, VirtualClock())
    await engine.start()
    return engine


async def test_commits_that_queue_during_a_write_become_one_unit(store: Engine, log: FailingLog) -> None:
    first = store.commit([], [Put("/a", b"")])
    await settle()
    others = [store.commit([], [Put(f"/{n}", b"")]) for n in range(5)]
    log.release()
    assert (await first).revision == 2
    assert [row.key for row in log.held[0].rows] == [f"/{n}" for n in range(5)]
    log.release()
    assert [commit.revision for commit in await asyncio.gather(*others)] == [3, 4, 5, 6, 7]
    await store.close()


async def test_nothing_is_seen_before_it_is_durable(store: Engine, log: FailingLog) -> None:
    watch = store.watch("/", "0", from_revision=store.revision)
    written = store.commit([Compare("/a", 0)], [Put("/a", b"1")])
    refused = store.commit([Compare("/a", 0)], [Put("/a", b"2")])
    await settle()
    waiting = asyncio.ensure_future(watch.__anext__())
    await settle()
    assert await store.get("/a") is None
    assert not (written.done() or refused.done() or waiting.done())
    log.release()
    assert (await written).succeeded
    assert not (await refused).succeeded
    assert [event.value for event in await waiting] == [b"1"]
    await store.close()


async def test_a_full_disk_fails_the_group_and_no_more(store: Engine, log: FailingLog) -> None:
    commits = [store.commit([], [Put(f"/{n}", b"")]) for n in range(3)]
    await settle()
    log.release(QuotaExceeded("no space left"))
    assert [type(answer) for answer in await asyncio.gather(*commits, return_exceptions=True)] == [QuotaExceeded] * 3
    again = store.commit([Compare("/0", 0)], [Put("/0", b"")])
    await settle()
    log.release()
    assert (await again).revision == 2
    await store.close()


async def test_after_a_failed_write_the_store_refuses_to_go_on(store: Engine, log: FailingLog) -> None:
    watch = store.watch("/", "0", from_revision=store.revision)
    written = store.commit([], [Put("/a", b"")])
    await settle()
    queued = store.commit([], [Put("/b", b"")])
    log.release(OSError("input/output error"))
    for commit in (written, queued):
        with pytest.raises(Unavailable, match="input/output error"):
            await commit
    with pytest.raises(Unavailable, match="must be restarted"):
        await store.commit([], [Put("/c", b"")])
    with pytest.raises(Unavailable):
        await watch.__anext__()
    await store.close()
