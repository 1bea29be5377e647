"""What watchers see: of changes, of selectors, of their own slowness."""

from __future__ import annotations

import asyncio
import json

import pytest

from sampan.store.cache import Batch, ResourceCache, WatchCache, Watcher
from sampan.store.cache.history import History
from sampan.store.errors import Compacted
from sampan.store.interface import Put
from sampan.store.memory import MemoryStore


def brief(batch: Batch | None) -> list[tuple[str, str, int]]:
    return [(event.type, event.entry.name, event.entry.revision) for event in batch or ()]


def is_x(labels) -> bool:
    return labels.get("app") == "x"


async def test_a_life_as_seen_by_a_watcher(pods: ResourceCache, put, delete) -> None:
    watcher = pods.watch(from_revision=pods.revision)
    r1, r2, r3 = await put("a", text="1"), await put("a", text="2"), await delete("a")
    batch = watcher.take()
    assert brief(batch) == [("ADDED", "a", r1), ("MODIFIED", "a", r2), ("DELETED", "a", r3)]
    lines = [json.loads(line) for line in batch.wire.splitlines()]
    assert [(line["type"], line["object"]["metadata"]["resourceVersion"]) for line in lines] == [
        ("ADDED", str(r1)),
        ("MODIFIED", str(r2)),
        ("DELETED", str(r3)),
    ]
    assert lines[2]["object"]["spec"]["text"] == "2"
    assert watcher.take() is None


async def test_iteration_waits_for_events(pods: ResourceCache, put) -> None:
    watcher = pods.watch(from_revision=pods.revision)
    waiting = asyncio.ensure_future(watcher.__anext__())
    revision = await put("a")
    assert brief(await waiting) == [("ADDED", "a", revision)]


async def test_a_watcher_from_the_past_misses_and_repeats_nothing(pods: ResourceCache, put, delete) -> None:
    revisions = [await put("a"), await put("b"), await put("a"), await delete("b")]
    for start in range(len(revisions) + 1):
        watcher = pods.watch(from_revision=revisions[start - 1] if start else 1)
        assert [event.entry.revision for event in watcher.take() or ()] == revisions[start:]
    last = await put("c")
    assert brief(watcher.take()) == [("ADDED", "c", last)]


async def test_a_watcher_from_the_future_waits_for_it(pods: ResourceCache, put) -> None:
    watcher = pods.watch(from_revision=pods.revision + 2)
    for name in ("a", "b", "c"):
        last = await put(name)
    assert brief(watcher.take()) == [("ADDED", "c", last)]


async def test_too_old_is_refused(pods: ResourceCache, put) -> None:
    for _ in range(3):
        await put("a")
    pods._history = History(pods.revision - 1)
    with pytest.raises(Compacted) as error:
        pods.watch(from_revision=pods.revision - 2)
    assert error.value.revision == pods.revision - 1


async def test_namespace_and_name(pods: ResourceCache, put) -> None:
    start = pods.revision
    by_namespace = pods.watch(from_revision=start, namespace="a")
    by_name = pods.watch(from_revision=start, namespace="a", name="x")
    anywhere = pods.watch(from_revision=start, name="x")
    by_field = pods.watch(from_revision=start, field=("metadata.name", "x"))
    ax, ay, bx = await put("a/x"), await put("a/y"), await put("b/x")
    assert [brief(watcher.take()) for watcher in (by_namespace, by_name, anywhere, by_field)] == [
        [("ADDED", "x", ax), ("ADDED", "y", ay)],
        [("ADDED", "x", ax)],
        [("ADDED", "x", ax), ("ADDED", "x", bx)],
        [("ADDED", "x", ax), ("ADDED", "x", bx)],
    ]
    late = pods.watch(from_revision=start, namespace="a", name="x")
    assert brief(late.take()) == [("ADDED", "x", ax)]


@pytest.mark.parametrize("live", [True, False])
async def test_beginning_and_ceasing_to_match(pods: ResourceCache, put, delete, live: bool) -> None:
    start = pods.revision

    def watch() -> list[Watcher]:
        return [
            pods.watch(from_revision=start, field=("spec.nodeName", "n1")),
            pods.watch(from_revision=start, label=is_x),
            pods.watch(from_revision=start, where=lambda entry: entry.field("spec.nodeName") != ""),
        ]

    watchers = watch() if live else []
    r1 = await put("a", app="x")
    r2 = await put("a", node="n1", app="x", text="matching")
    r3 = await put("a", node="n1", app="y")
    r4 = await put("a", node="n2", app="y")
    r5 = await delete("a")
    by_field, by_label, by_predicate = [watcher.take() for watcher in watchers or watch()]
    assert brief(by_field) == [("ADDED", "a", r2), ("MODIFIED", "a", r3), ("DELETED", "a", r4)]
    assert brief(by_label) == [("ADDED", "a", r1), ("MODIFIED", "a", r2), ("DELETED", "a", r3)]
    assert brief(by_predicate) == [
        ("ADDED", "a", r2),
        ("MODIFIED", "a", r3),
        ("MODIFIED", "a", r4),
        ("DELETED", "a", r5),
    ]
    gone = json.loads(by_label.wire.splitlines()[-1])["object"]
    assert (gone["spec"]["text"], gone["metadata"]["resourceVersion"]) == ("matching", str(r3))


async def test_watchers_of_one_scope_share_batches_and_bytes(pods: ResourceCache, put) -> None:
    same = [pods.watch(from_revision=pods.revision, namespace="default", label=is_x) for _ in range(3)]
    other = pods.watch(from_revision=pods.revision)
    await put("a", app="x")
    batches = [watcher.take() for watcher in same]
    assert batches[0] is batches[1] is batches[2]
    assert batches[0].wire is other.take().wire
    assert pods.statistics()["channels"] == 2


async def test_a_change_touches_only_those_it_concerns(pods: ResourceCache, put) -> None:
    asked: list[str] = []

    def where(entry) -> bool:
        asked.append(entry.name)
        return True

    for n in range(100):
        pods.watch(from_revision=pods.revision, field=("spec.nodeName", f"n{n}"), where=lambda e: where(e))
    await put("a", node="n7")
    assert asked == ["a"]


async def test_events_of_one_commit_come_in_one_batch(pods: ResourceCache, store: MemoryStore) -> None:
    watcher = pods.watch(from_revision=pods.revision)
    await store.commit([], [Put(f"/registry/core/pods/default/{name}", b'{"metadata":{"name":"x"}}') for name in "abc"])
    assert len(await watcher.__anext__()) == 3


async def test_a_reader_that_stays_away_is_cut_off(pods: ResourceCache, put) -> None:
    watcher = pods.watch(from_revision=pods.revision, limit=3)
    steady = pods.watch(from_revision=pods.revision, limit=3)
    for n in range(5):
        await put(f"p{n}")
        assert steady.take() is not None
    assert watcher.reason == "overflow"
    assert [batch async for batch in watcher] == []
    assert pods.statistics()["watchers"] == 1
    assert steady.reason is None


async def test_the_backlog_does_not_count_against_the_limit(pods: ResourceCache, put) -> None:
    start = pods.revision
    for n in range(5):
        await put(f"p{n}")
    watcher = pods.watch(from_revision=start, limit=2)
    await put("q")
    assert watcher.reason is None
    assert len(watcher.take()) == 6


async def test_bookmarks_never_run_ahead_of_what_was_taken(pods: ResourceCache, store: MemoryStore, put) -> None:
    watcher = pods.watch(from_revision=pods.revision, namespace="default")
    before = watcher.bookmark()
    revision = await put("a")
    assert watcher.bookmark() == before
    watcher.take()
    assert watcher.bookmark() == revision
    other = await put("elsewhere/a")
    assert watcher.bookmark() == other
    outside = await store.commit([], [Put("/other", b"")])
    assert watcher.bookmark() == outside.revision


async def test_ready_is_called_when_there_is_something_to_take(pods: ResourceCache, put) -> None:
    calls: list[str] = []
    start = pods.revision
    watcher = pods.watch(from_revision=start, ready=lambda: calls.append("ready"))
    await put("a")
    await put("b")
    assert calls == ["ready"]
    assert len(watcher.take()) == 2
    await put("c")
    assert calls == ["ready"] * 2
    pods.watch(from_revision=start, ready=lambda: calls.append("late"))
    assert calls[-1] == "late"
    watcher.close()
    assert calls[-1] == "ready"


async def test_list_and_watch_fit_together(pods: ResourceCache, put) -> None:
    await put("a")
    entries, watcher = pods.list_and_watch(namespace="default")
    revision = await put("b")
    assert [entry.name for entry in entries] == ["a"]
    assert brief(watcher.take()) == [("ADDED", "b", revision)]


async def test_an_unknown_field_is_refused(pods: ResourceCache) -> None:
    with pytest.raises(KeyError):
        pods.watch(from_revision=pods.revision, field=("spec.unknown", "x"))


async def test_a_failing_selector_or_reader_ends_its_own_watch_only(pods: ResourceCache, put) -> None:
    def fail(*_: object) -> bool:
        raise ValueError("broken")

    start = pods.revision
    broken = [
        pods.watch(from_revision=start, label=fail),
        pods.watch(from_revision=start, ready=fail),
        pods.watch(from_revision=start, where=fail, field=("spec.nodeName", "")),
    ]
    steady = pods.watch(from_revision=start)
    await put("a")
    assert [watcher.reason for watcher in broken] == ["stale"] * 3
    assert len(steady.take()) == 1
    assert await pods.fresh() == pods.revision


async def test_a_watch_opened_by_a_reader_does_not_see_the_event_it_was_opened_on(pods: ResourceCache, put) -> None:
    opened: list[Watcher] = []

    def open_others() -> None:
        opened.extend(pods.watch(from_revision=pods.revision, namespace=place) for place in (None, "default"))

    start = pods.revision
    pods.watch(from_revision=start, ready=open_others)
    pods.watch(from_revision=start, namespace="default")
    await put("a")
    assert [watcher.take() for watcher in opened] == [None, None]


async def test_a_nudge_lets_a_reader_go(pods: ResourceCache, put) -> None:
    watcher = pods.watch(from_revision=pods.revision)
    waiting = asyncio.ensure_future(watcher.next())
    await asyncio.sleep(0)
    watcher.nudge()
    assert await waiting is None
    assert watcher.reason is None
    await put("a")
    watcher.nudge()
    assert len(await watcher.next()) == 1


async def test_closed_watchers_leave_nothing_behind(pods: ResourceCache) -> None:
    watchers = [
        pods.watch(from_revision=pods.revision, namespace=f"n{n}", field=field)
        for n in range(10)
        for field in (None, ("spec.nodeName", f"n{n}"))
    ]
    for watcher in watchers:
        watcher.close()
        watcher.close("twice")
    assert {watcher.reason for watcher in watchers} == {"closed"}
    assert pods.statistics() | {"watchers": 0, "channels": 0} == pods.statistics()
    assert not pods._channels._places
    assert not pods._channels._fields


async def test_closing_the_cache_ends_watches(cache: WatchCache, pods: ResourceCache) -> None:
    watcher = pods.watch(from_revision=pods.revision)
    await cache.close()
    assert [batch async for batch in watcher] == []
    assert watcher.reason == "stale"
