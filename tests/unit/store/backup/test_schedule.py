"""Backups at intervals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from sampan.store.backup import Reader, Snapshots
from sampan.store.backup.snapshot import StoreSource
from sampan.store.interface import Put
from sampan.store.memory import MemoryStore
from sampan.testing.clock import VirtualClock


async def test_the_newest_are_kept_and_the_same_is_not_taken_twice(tmp_path: Path) -> None:
    clock = VirtualClock()
    store = MemoryStore(clock)
    await store.start()
    snapshots = Snapshots(StoreSource(store, "memory"), tmp_path / "backups", clock, keep=3)
    revisions = []
    for n in range(6):
        revisions.append((await store.commit([], [Put("/a", b"%d" % n)])).revision)
        for _ in range(2):
            await snapshots.take()
            await clock.advance(60)
    assert [Reader(path).header.revision for path in snapshots.files()] == revisions[-3:]
    assert snapshots.statistics()["kept"] == 3
    await store.close()


async def test_leftovers_and_the_old_go_once_the_new_is_there(tmp_path: Path) -> None:
    clock = VirtualClock()
    store = MemoryStore(clock)
    await store.start()
    await store.commit([], [Put("/a", b"")])
    snapshots = Snapshots(StoreSource(store, "memory"), tmp_path, clock, keep=1)
    kept = await snapshots.take()
    (tmp_path / "left.backup.partial").touch()
    await store.commit([], [Put("/b", b"")])
    latest = await snapshots.take()
    assert snapshots.files() == [latest]
    assert not kept.exists()
    assert not (tmp_path / "left.backup.partial").exists()
    await store.close()


async def test_servers_that_share_a_folder_take_one_backup_between_them(tmp_path: Path) -> None:
    clock = VirtualClock()
    store = MemoryStore(clock)
    await store.start()
    await store.commit([], [Put("/a", b"")])
    sources = [StoreSource(store, "memory") for _ in range(3)]
    sharing = [Snapshots(source, tmp_path, clock, seconds=600) for source in sources]
    tasks = [asyncio.create_task(each.run()) for each in sharing]
    for n in range(4):
        before = len(sharing[0].files())
        await passed(clock, lambda before=before: len(sharing[0].files()) == before + 1)
        await store.commit([], [Put("/a", b"%d" % n)])
    assert sum(each.statistics()["taken"] for each in sharing) == 4
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    restarted = asyncio.create_task(Snapshots(sources[0], tmp_path, clock, seconds=600).run())
    await clock.advance(300)
    assert len(sharing[0].files()) == 4, "a restart takes no backup before its time"
    restarted.cancel()
    await asyncio.gather(restarted, return_exceptions=True)
    await store.close()


async def passed(clock: VirtualClock, held: Callable[[], bool]) -> None:
    """Lets virtual time pass until `held`; a backup is written by a thread, for which time does not stand still."""
    for _ in range(2000):
        if held():
            return
        await clock.advance(1)
        await asyncio.to_thread(int)
    raise AssertionError("it did not come to that")
