"""Backups at intervals."""

from __future__ import annotations

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
