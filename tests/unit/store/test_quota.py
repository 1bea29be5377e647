"""A full store refuses new keys, says so, and recovers."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampan.store.errors import QuotaExceeded
from sampan.store.interface import Compare, Delete, Put, Store
from sampan.store.memory import MemoryStore
from sampan.store.sqlite import SqliteStore
from sampan.testing.clock import VirtualClock

QUOTA = 1 << 20
STORES = {
    "memory": lambda folder: MemoryStore(VirtualClock(), quota=QUOTA),
    "sqlite": lambda folder: SqliteStore(folder / "store.db", VirtualClock(), quota=QUOTA),
}


@pytest.fixture(params=STORES)
async def small(request: pytest.FixtureRequest, tmp_path: Path):
    store = STORES[request.param](tmp_path)
    await store.start()
    yield store
    await store.close()


async def fill(store: Store) -> int:
    """Creates keys of 10 kB until the store refuses, and tells how many it took."""
    for n in range(1000):
        try:
            await store.commit([Compare(f"/{n}", 0)], [Put(f"/{n}", b"v" * 10_000)])
        except QuotaExceeded as error:
            assert "delete objects, or raise the quota" in str(error)
            return n
    raise AssertionError("the quota did not hold")


async def test_new_keys_are_refused_when_full(small: Store) -> None:
    taken = await fill(small)
    assert 80 < taken < 200
    with pytest.raises(QuotaExceeded):
        await small.commit([], [Put("/another", b"")])
    assert (await small.range("/", "0")).count == taken


async def test_updates_and_deletes_go_on_and_make_room(small: Store) -> None:
    taken = await fill(small)
    for n in range(taken // 2):
        await small.commit([], [Put(f"/{n}", b"going")])
        await small.commit([], [Delete(f"/{n}")])
    for _ in range(50):
        await small.range("/", "0")
    await small.commit([], [Put("/new", b"v" * 10_000)])


async def test_overwriting_never_fills_the_store(small: Store) -> None:
    for n in range(500):
        await small.commit([], [Put(f"/{n % 10}", b"v" * 10_000)])
    await small.commit([], [Put("/new", b"")])
