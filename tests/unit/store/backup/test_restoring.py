"""There and back, on every store and between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from sampan.aio.clock import SystemClock
from sampan.store.backup import BackupError, Changes, Reader, migrate, restore, save
from sampan.store.backup.migration import NotEmpty
from sampan.store.backup.restoring import AHEAD, begin
from sampan.store.backup.snapshot import FileSource, StoreSource
from sampan.store.errors import Unavailable
from sampan.store.interface import Delete, Put, Store
from sampan.store.memory import MemoryStore
from sampan.store.sqlite import SqliteStore
from sampan.testing.clock import VirtualClock


async def objects(store: Store) -> dict[str, bytes]:
    return {item.key: item.value for item in (await store.range("/", "0")).items}


async def fill(store: Store, count: int = 300) -> dict[str, bytes]:
    for start in range(0, count, 100):
        await store.commit([], [Put(f"/{n:04}", b"%d" % n) for n in range(start, min(start + 100, count))])
    return await objects(store)


async def test_what_changed_since_is_undone(store: Store, tmp_path: Path, clock: VirtualClock) -> None:
    before = await fill(store)
    lease = await store.lease_grant(1000)
    await store.commit([], [Put("/leased", b"l", lease=lease)])
    backup = await save(StoreSource(store, "test"), tmp_path / "b", clock)
    assert (backup.header.revision, backup.count) == (store.revision, 301)
    await store.lease_revoke(lease)
    await store.commit([], [Put("/0007", b"changed"), Delete("/0008"), Put("/new", b"")])
    revision = store.revision
    watch = store.watch("/", "0", from_revision=revision)
    assert await restore(store, backup) == Changes(written=3, deleted=1, kept=298)
    assert await objects(store) == {**before, "/leased": b"l"}
    assert store.revision > revision
    again = await store.get("/leased")
    assert again is not None
    assert again.lease
    seen = []
    while watch.revision < store.revision:
        seen += [event.key for event in await watch.__anext__()]
    assert sorted(seen) == ["/0007", "/0008", "/leased", "/new"]


DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "truncated": (lambda data: data[:-40], r"truncated.*copy it anew"),
    "corrupted": (lambda data: data[:300] + bytes([data[300] ^ 1]) + data[301:], r"damaged.*copy it anew"),
    "newer": (lambda data: data.replace(b"BACKUP 1", b"BACKUP 2", 1), r"newer Sampan.*restore it with that version"),
    "another": (lambda data: b"SQLite format 3\0" + data, "name a file that `sampan backup` wrote"),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_bad_backup_changes_nothing(store: Store, tmp_path: Path, clock: VirtualClock, damage: str) -> None:
    await fill(store)
    backup = await save(StoreSource(store, "test"), tmp_path / "b", clock)
    change, message = DAMAGES[damage]
    backup.path.write_bytes(change(backup.path.read_bytes()))
    await store.commit([], [Delete("/0001")])
    revision, left = store.revision, await objects(store)
    with pytest.raises(BackupError, match=message):
        await restore(store, Reader(backup.path))
    assert (store.revision, await objects(store)) == (revision, left)


async def test_a_backup_is_of_one_moment_while_others_write(store: Store, tmp_path: Path, clock: VirtualClock) -> None:
    names = [f"/{n:04}" for n in range(0, 2500, 25)]
    for start in range(0, 2500, 100):
        await store.commit([], [Put(f"/{n:04}", b"0") for n in range(start, start + 100)])
    done = asyncio.Event()

    async def write() -> None:
        n = 0
        while not done.is_set():
            await store.commit([], [Put(name, b"%d" % n) for name in names])
            n += 1

    writer = asyncio.create_task(write())
    for _ in range(3):
        backup = await save(StoreSource(store, "test"), tmp_path / "b", clock)
        assert len({each.value for each in backup.records() if each.key in names}) == 1
    done.set()
    await writer


async def test_a_served_file_is_read_from_outside(tmp_path: Path, clock: VirtualClock) -> None:
    store = SqliteStore(tmp_path / "store.db", clock)
    await store.start()
    expected = await fill(store, 1500)
    await store.commit([], [Delete("/0000")])
    backup = await save(FileSource(tmp_path / "store.db"), tmp_path / "b", clock)
    await store.commit([], [Put("/later", b"")])
    assert {each.key: each.value for each in backup.records()} == {k: v for k, v in expected.items() if k != "/0000"}
    assert backup.header.revision == store.revision - 1
    with pytest.raises(Unavailable, match="in use"):
        begin(tmp_path / "store.db", 10**6)
    await store.close()


async def test_a_file_that_is_not_there_is_not_made(tmp_path: Path, clock: VirtualClock) -> None:
    with pytest.raises(Unavailable, match="--data-dir"):
        await save(FileSource(tmp_path / "store.db"), tmp_path / "b", clock)
    assert not (tmp_path / "store.db").exists()


async def test_a_store_behind_the_backup_begins_beyond_it(tmp_path: Path, clock: VirtualClock) -> None:
    old = SqliteStore(tmp_path / "old.db", clock)
    await old.start()
    for n in range(50):
        await old.commit([], [Put(f"/{n}", b"")])
    backup = await save(StoreSource(old, "test"), tmp_path / "b", clock)
    await old.close()
    assert begin(tmp_path / "new.db", backup.header.revision)
    new = SqliteStore(tmp_path / "new.db", clock)
    await new.start()
    assert new.revision == backup.header.revision + AHEAD
    await restore(new, backup)
    assert await objects(new) == await objects_in(backup)
    assert (await new.range("/", "0", revision=new.revision)).count == 50
    await new.close()
    assert not begin(tmp_path / "new.db", backup.header.revision)


async def objects_in(backup) -> dict[str, bytes]:
    return {each.key: each.value for each in backup.records()}


async def test_migration_to_every_store(store: Store, tmp_path: Path) -> None:
    source = MemoryStore()
    await source.start()
    expected = await fill(source)
    done = await migrate(source, store, SystemClock(), folder=tmp_path)
    assert done.written == 300
    assert await objects(store) == expected
    with pytest.raises(NotEmpty, match="--overwrite"):
        await migrate(source, store, SystemClock(), folder=tmp_path)
    await source.close()


class Restless(MemoryStore):
    """Is written to whenever its revision is asked for, so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    async def latest(self) -> int:
        if self.times:
            self.times -= 1
            await self.commit((), [Put("/restless", b"%d" % self.times), Delete("/0001")])
        return await super().latest()


async def test_what_is_written_during_a_migration_is_moved_too(store: Store, tmp_path: Path) -> None:
    source = Restless(3)
    await source.start()
    await fill(source)
    await migrate(source, store, SystemClock(), folder=tmp_path)
    moved = await objects(store)
    assert moved == await objects(source)
    assert moved["/restless"] == b"0"
    await source.close()


async def test_a_migration_from_a_store_that_does_not_rest_is_given_up(tmp_path: Path) -> None:
    source, target = Restless(10**9), MemoryStore()
    await source.start()
    await target.start()
    with pytest.raises(Unavailable, match="stop its API servers first"):
        await migrate(source, target, SystemClock(), folder=tmp_path)
    await source.close()
    await target.close()
