"""Gets and lists from the cache, now and at an earlier revision."""

from __future__ import annotations

import json

import pytest

from sampan.store.cache import ResourceCache, WatchCache
from sampan.store.cache.history import History
from sampan.store.errors import Compacted, FutureRevision
from sampan.store.interface import Put
from sampan.store.memory import MemoryStore


def names(entries) -> list[str]:
    return [f"{entry.namespace}/{entry.name}" for entry in entries]


async def test_an_acknowledged_write_is_found(pods: ResourceCache, put, delete) -> None:
    revision = await put("a", text="x")
    entry = pods.get("default", "a")
    assert entry is not None
    assert entry.revision == pods.revision == revision
    assert json.loads(entry.data)["metadata"]["resourceVersion"] == str(revision)
    await delete("a")
    assert pods.get("default", "a") is None


async def test_lists_are_in_key_order(pods: ResourceCache, put, delete) -> None:
    for name in ("b/y", "a/z", "a-b/x", "b/x", "a/a"):
        await put(name)
    assert names(pods.list()) == ["a-b/x", "a/a", "a/z", "b/x", "b/y"]
    assert names(pods.list("a")) == ["a/a", "a/z"]
    assert pods.list("none") == []
    await delete("a/a")
    await put("a/m")
    assert names(pods.list("a")) == ["a/m", "a/z"]


async def test_pages_continue_after_a_key(pods: ResourceCache, put) -> None:
    for n in range(5):
        await put(f"p{n}")
    page = pods.page(limit=2)
    assert (names(page.entries), page.remaining) == (["default/p0", "default/p1"], 3)
    page = pods.page("default", after=page.entries[-1].key, limit=3)
    assert (names(page.entries), page.remaining) == (["default/p2", "default/p3", "default/p4"], 0)


async def test_cluster_scoped_resources(cache: WatchCache, store: MemoryStore) -> None:
    nodes = cache.resource("core", "nodes")
    await store.commit([], [Put("/registry/core/nodes/n1", b'{"metadata":{"name":"n1"}}')])
    assert nodes.get(None, "n1") is nodes.get("", "n1") is nodes.list()[0]
    assert cache.resource("", "nodes") is nodes


async def test_a_resource_asked_for_late_has_its_objects(cache: WatchCache, store: MemoryStore) -> None:
    await store.commit([], [Put("/registry/example.com/things/ns/a", b'{"metadata":{"name":"a"}}')])
    things = cache.resource("example.com", "things", fields=["spec.x"])
    assert names(things.list("ns")) == ["ns/a"]
    assert things.list()[0].field("spec.x") == ""
    assert things.floor == cache.base


@pytest.mark.parametrize("history", [True, False])
async def test_earlier_states_with_their_pages(pods: ResourceCache, put, delete, history: bool) -> None:
    for name in ("a", "b", "c", "x/a"):
        await put(name)
    revision = await put("b", text="old")
    await delete("a")
    await put("b", text="new")
    await put("d")
    if not history:
        pods._history = History(pods.revision)
    then = await pods.at(revision)
    assert names(then) == ["default/a", "default/b", "default/c", "x/a"]
    assert json.loads(then[1].data)["spec"]["text"] == "old"
    assert then[1].revision == revision
    assert names(await pods.at(revision, "x")) == ["x/a"]
    page = await pods.page_at(revision, "default", limit=2)
    assert (names(page.entries), page.remaining, page.revision) == (["default/a", "default/b"], 1, revision)
    page = await pods.page_at(revision, "default", after=page.entries[-1].key, limit=2)
    assert (names(page.entries), page.remaining) == (["default/c"], 0)


async def test_states_out_of_reach(pods: ResourceCache, store: MemoryStore, put) -> None:
    for _ in range(3):
        last = await put("a")
    with pytest.raises(FutureRevision):
        await pods.at(last + 1)
    await store.compact(last)
    pods._history = History(last)
    with pytest.raises(Compacted):
        await pods.at(last - 1)


async def test_bytes_are_shared_not_copied(pods: ResourceCache, put) -> None:
    await put("a")
    assert pods.list()[0] is pods.page(limit=1).entries[0] is pods.get("default", "a")
