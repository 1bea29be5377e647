"""The file stays bounded, and an idle store leaves the disk alone."""

# ruff: noqa: ASYNC240
from __future__ import annotations

import asyncio
from pathlib import Path

from sampan.store.interface import Delete, Put
from sampan.store.retention import Policy
from sampan.store.sqlite import SqliteStore


async def churn(store: SqliteStore, commits: int) -> None:
    """Overwrites a hundred keys of 2 kB, creating and deleting others beside them."""
    for start in range(0, commits, 50):
        await asyncio.gather(
            *(
                store.commit([], [Put(f"/{n % 100}", b"v" * 2000), Put(f"/t{n}", b"t"), Delete(f"/t{n - 60}")])
                for n in range(start, start + 50)
            )
        )


async def test_churn_does_not_grow_the_file(opened, path: Path) -> None:
    async with opened(retention=Policy(size=1 << 20)) as store:
        sizes = []
        for _ in range(6):
            await churn(store, 2000)
            sizes.append(path.stat().st_size + path.with_name(path.name + "-wal").stat().st_size)
        assert store.compacted > store.revision - 3000
        assert max(sizes) < 20 << 20
        assert min(sizes[3:]) <= max(sizes[:3]) * 1.5, "the log is emptied now and then; the rest does not grow"


async def test_space_goes_back_to_the_file_system(opened, path: Path) -> None:
    async with opened(retention=Policy(size=1 << 20)) as store:
        for n in range(3000):
            store.commit([], [Put(f"/{n}", b"v" * 8000)])
        await store.commit([], [])
        grown = path.stat().st_size
        for n in range(0, 3000, 100):
            await store.commit([], [Delete(f"/{k}") for k in range(n, n + 100)])
        for n in range(4000):
            await store.commit([], [Put("/x", b"%d" % n)])
            if n % 256 == 0:
                await store.compact(store.revision)
    assert grown > 20 << 20
    assert path.stat().st_size < 10 << 20


async def test_young_history_is_kept(opened) -> None:
    async with opened(retention=Policy(seconds=300, size=64 << 20)) as store:
        base = store.revision
        await churn(store, 500)
        assert (await store.range("/", "0", revision=base + 1)).count == 2


async def test_an_idle_store_does_not_write(opened, path: Path) -> None:
    async with opened() as store:
        await store.lease_grant(600)
        await churn(store, 100)
        files = [path, path.with_name(path.name + "-wal")]
        before = [(file.stat().st_mtime_ns, file.stat().st_size) for file in files]
        for _ in range(50):
            await store.get("/1")
            await store.range("/", "0")
        assert [(file.stat().st_mtime_ns, file.stat().st_size) for file in files] == before


async def test_a_small_write_is_small_on_the_disk(opened, path: Path) -> None:
    """What a node's heartbeat costs, an object of 700 bytes: under 16 kB, all that is written counted."""
    wal = path.with_name(path.name + "-wal")
    async with opened() as store:
        await churn(store, 100)
        written, size = 0, wal.stat().st_size
        for _ in range(50):
            await store.commit((), (Put("/lease", bytes(700)),))
            grown, size = wal.stat().st_size - size, wal.stat().st_size
            written += max(grown, 0)
        # Each page of the log goes into the file once more.
        assert 0 < 2 * written / 50 < 16e3
