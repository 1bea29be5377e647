"""Watches of the store: complete, in order, from any revision, however slow the reader."""

from __future__ import annotations

import asyncio

import pytest

from sampan.store.errors import Compacted
from sampan.store.feed import BUFFER
from sampan.store.interface import Delete, Event, Put, Store, Watch


async def until(watch: Watch, revision: int) -> list[Event]:
    """Events up to a revision."""
    events: list[Event] = []
    while watch.revision < revision:
        events += await watch.__anext__()
    return events


def brief(events: list[Event]) -> list[tuple[str, bytes | None, int]]:
    return [(event.key, event.value, event.revision) for event in events]


async def test_changes_arrive_as_they_happen(store: Store) -> None:
    base = store.revision
    watch = store.watch("/", "0", from_revision=base)
    await store.commit([], [Put("/a", b"1"), Put("/b", b"1")])
    await store.commit([], [Delete("/a")])
    assert brief(await until(watch, base + 2)) == [
        ("/a", b"1", base + 1),
        ("/b", b"1", base + 1),
        ("/a", None, base + 2),
    ]


async def test_history_is_replayed_and_joins_the_present_without_a_gap(store: Store) -> None:
    base = store.revision
    for n in range(5):
        await store.commit([], [Put("/a", b"%d" % n)])
    watch = store.watch("/", "0", from_revision=base + 2)
    pending = [store.commit([], [Put("/a", b"%d" % n)]) for n in range(5, 8)]
    events = await until(watch, base + 8)
    await asyncio.gather(*pending)
    assert brief(events) == [("/a", b"%d" % n, base + 1 + n) for n in range(2, 8)]


async def test_other_keys_are_progress_only(store: Store) -> None:
    base = store.revision
    watch = store.watch("/a", "/b", from_revision=base)
    await store.commit([], [Put("/b", b"1")])
    assert await watch.__anext__() == []
    assert watch.revision == base + 1
    await store.commit([], [Put("/c", b""), Put("/ab", b"1")])
    assert brief(await watch.__anext__()) == [("/ab", b"1", base + 2)]


async def test_a_revision_to_come_is_waited_for(store: Store) -> None:
    base = store.revision
    watch = store.watch("/", "0", from_revision=base + 2)
    for n in range(1, 5):
        await store.commit([], [Put("/a", b"%d" % n)])
    assert brief(await until(watch, base + 4)) == [("/a", b"3", base + 3), ("/a", b"4", base + 4)]


async def test_a_slow_reader_misses_nothing(store: Store) -> None:
    base = store.revision
    watch = store.watch("/", "0", from_revision=base)
    writes = BUFFER // 100 * 3
    for n in range(writes):
        await store.commit([], [Put(f"/{k:03}", b"%d" % n) for k in range(100)])
    expected = [(f"/{k:03}", b"%d" % n, base + 1 + n) for n in range(writes) for k in range(100)]
    assert brief(await until(watch, base + writes)) == expected


async def test_the_previous_state_comes_with_events_on_request(store: Store) -> None:
    base = store.revision
    await store.commit([], [Put("/a", b"1")])
    late, plain = store.watch("/", "0", from_revision=base, previous=True), store.watch("/", "0", from_revision=base)
    early = store.watch("/", "0", from_revision=base + 1, previous=True)
    commits = [store.commit([], [Put("/a", b"2")]), store.commit([], [Delete("/a")])]
    await asyncio.gather(*commits)
    events = await until(late, base + 3)
    assert [event.previous and event.previous.value for event in events] == [None, b"1", b"2"]
    assert await until(early, base + 3) == events[1:]
    assert [event.previous for event in await until(plain, base + 3)] == [None] * 3


async def test_compacted_history_is_refused(store: Store) -> None:
    base = store.revision
    for n in range(4):
        await store.commit([], [Put("/a", b"%d" % n)])
    await store.compact(base + 3)
    with pytest.raises(Compacted) as error:
        await store.watch("/", "0", from_revision=base + 2).__anext__()
    assert error.value.revision == base + 3
    watch = store.watch("/", "0", from_revision=base + 3)
    assert brief(await until(watch, base + 4)) == [("/a", b"3", base + 4)]


async def test_a_reader_overtaken_by_compaction_is_told(store: Store) -> None:
    watch = store.watch("/", "0", from_revision=store.revision)
    for n in range(BUFFER // 100 + 2):
        await store.commit([], [Put(f"/{k}", b"%d" % n) for k in range(100)])
    await store.compact(store.revision)
    with pytest.raises(Compacted):
        await watch.__anext__()


async def test_an_acknowledged_write_has_reached_the_watchers_before_its_writer(store: Store) -> None:
    seen: list[int] = []
    watch = store.watch("/", "0", from_revision=store.revision)

    async def read() -> None:
        async for events in watch:
            seen.extend(event.revision for event in events)

    async def write(n: int) -> None:
        for k in range(10):
            revision = (await store.commit([], [Put(f"/{n}/{k}", b"")])).revision
            assert revision in seen

    reader = asyncio.create_task(read())
    await asyncio.gather(*(write(n) for n in range(10)))
    watch.close()
    await reader
    assert seen == sorted(seen)


async def test_closing_ends_the_iteration(store: Store) -> None:
    watch = store.watch("/", "0", from_revision=store.revision)
    waiting = asyncio.ensure_future(watch.__anext__())
    await asyncio.sleep(0)
    watch.close()
    with pytest.raises(StopAsyncIteration):
        await waiting
    assert store.statistics()["watches"] == 0


async def test_closing_the_store_ends_its_watches(store: Store) -> None:
    watch = store.watch("/", "0", from_revision=store.revision)
    await store.close()
    assert [events async for events in watch] == []
