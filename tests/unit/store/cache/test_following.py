"""How the cache follows its store: start, delay, falling behind, losing it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sampan.store.cache import WatchCache
from sampan.store.errors import Compacted, Unavailable
from sampan.store.interface import Event, Put, Watch
from sampan.store.memory import MemoryStore
from sampan.testing.clock import settle


class DistantWatch:
    """A watch whose batches wait until `gate` is open, or which fails with `failure`."""

    def __init__(self, watch: Watch, store: DistantStore) -> None:
        self._watch, self._store = watch, store

    @property
    def revision(self) -> int:
        return self._watch.revision

    def __aiter__(self) -> DistantWatch:
        return self

    async def __anext__(self) -> list[Event]:
        if not self._store.gate.is_set():
            await self._store.gate.wait()
        if self._store.failure is not None:
            failure, self._store.failure = self._store.failure, None
            raise failure
        return await self._watch.__anext__()

    def close(self) -> None:
        self._watch.close()


class DistantStore(MemoryStore):
    """A store whose changes arrive when the test lets them, as over a network."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Exception | None = None

    def watch(self, start: str, end: str, **options: Any) -> Any:
        return DistantWatch(super().watch(start, end, **options), self)


def key(name: str) -> str:
    return f"/registry/core/pods/default/{name}"


def value(name: str) -> bytes:
    return b'{"metadata":{"name":"%b"}}' % name.encode()


@pytest.fixture
async def distant():
    store = DistantStore()
    await store.start()
    yield store
    await store.close()


async def test_fresh_waits_for_what_was_acknowledged(distant: DistantStore) -> None:
    cache = WatchCache(distant)
    await cache.start()
    pods = cache.resource("", "pods")
    await distant.commit([], [Put(key("first"), value("first"))])
    distant.gate.clear()
    await distant.commit([], [Put(key("held"), value("held"))])
    revision = (await distant.commit([], [Put(key("a"), value("a"))])).revision
    fresh = asyncio.ensure_future(pods.fresh())
    await settle()
    assert not fresh.done()
    distant.gate.set()
    assert await fresh == revision
    assert pods.get("default", "a") is not None
    await cache.close()


async def test_fresh_is_free_over_a_local_store(cache: WatchCache, put) -> None:
    revision = await put("a")
    waiting = cache.fresh()
    with pytest.raises(StopIteration) as done:
        waiting.send(None)
    assert done.value.value == revision


async def test_fresh_counts_writes_outside_the_registry(cache: WatchCache, store: MemoryStore) -> None:
    revision = (await store.commit([], [Put("/elsewhere", b"")])).revision
    assert await cache.fresh() == revision


async def test_keys_that_are_no_objects_are_passed_over(cache: WatchCache, store: MemoryStore) -> None:
    odd = [Put(f"/registry/{rest}", b"odd") for rest in ("", "x", "x/y", "x/y/")]
    revision = (await store.commit([], odd)).revision
    assert await cache.fresh() == revision
    second = WatchCache(store, replayed=0)
    await second.start()
    assert second.statistics()["resources"] == {}
    await second.close()


async def test_watches_survive_a_restart_of_the_server(store: MemoryStore, cache: WatchCache, put, delete) -> None:
    start = cache.revision
    revisions = [await put("a"), await put("b"), await delete("a"), await put("c")]
    restarted = WatchCache(store)
    await restarted.start()
    pods = restarted.resource("", "pods")
    assert [entry.name for entry in pods.list()] == ["b", "c"]
    assert restarted.revision == revisions[-1]
    watcher = pods.watch(from_revision=start)
    assert [event.entry.revision for event in watcher.take()] == revisions
    await restarted.close()


async def test_starting_over_a_compacted_store(store: MemoryStore, put) -> None:
    for _ in range(5):
        last = await put("a")
    await put("b")
    await store.compact(last)
    cache = WatchCache(store)
    pods = cache.resource("", "pods")
    await cache.start()
    assert pods.floor == last
    assert [entry.name for entry in pods.list()] == ["a", "b"]
    with pytest.raises(Compacted):
        pods.watch(from_revision=last - 1)
    await cache.close()


async def test_starting_with_more_objects_than_a_page(store: MemoryStore) -> None:
    for n in range(0, 9000, 100):
        await store.commit([], [Put(key(f"{n + k:05}"), value("x")) for k in range(100)])
    cache = WatchCache(store, replayed=10)
    await cache.start()
    assert len(cache.resource("", "pods").list()) == 9000
    await cache.close()


async def test_falling_behind_compaction_starts_over(distant: DistantStore) -> None:
    cache = WatchCache(distant)
    await cache.start()
    pods = cache.resource("", "pods")
    await distant.commit([], [Put(key("old"), value("old"))])
    watcher = pods.watch(from_revision=pods.revision)
    distant.failure = Compacted(1)
    await distant.commit([], [Put(key("seen"), value("seen"))])
    revision = (await distant.commit([], [Put(key("new"), value("new"))])).revision
    assert await cache.fresh() == revision
    await settle()
    assert watcher.reason == "stale"
    assert [entry.name for entry in pods.list()] == ["new", "old", "seen"]
    assert cache.statistics()["loads"] == 2
    again = pods.watch(from_revision=pods.revision)
    await distant.commit([], [Put(key("more"), value("more"))])
    assert [event.entry.name for event in again.take()] == ["more"]
    await cache.close()


async def test_losing_the_store_ends_watches_and_fails_fresh_reads(distant: DistantStore) -> None:
    cache = WatchCache(distant)
    await cache.start()
    pods = cache.resource("", "pods")
    watcher = pods.watch(from_revision=pods.revision)
    distant.gate.clear()
    await distant.commit([], [Put(key("a"), value("a"))])
    await distant.commit([], [Put(key("b"), value("b"))])
    waiting = asyncio.ensure_future(cache.fresh())
    await settle()
    distant.failure = Unavailable("gone")
    distant.gate.set()
    with pytest.raises(Unavailable):
        await waiting
    with pytest.raises(Unavailable):
        await cache.reached(cache.revision + 1)
    assert watcher.reason == "stale"
    assert cache.failure is not None
    await cache.close()
