"""Ranges: order, limits, earlier revisions, compaction."""

from __future__ import annotations

import pytest

from sampan.store.errors import Compacted, FutureRevision
from sampan.store.interface import Delete, Put, Range, Store


async def put(store: Store, *keys: str, value: bytes = b"v") -> int:
    revision = 0
    for key in keys:
        revision = (await store.commit([], [Put(key, value)])).revision
    return revision


def names(found: Range) -> list[str]:
    return [item.key for item in found.items]


async def test_keys_come_in_order_within_half_open_bounds(store: Store) -> None:
    await put(store, "/c", "/a", "/b", "/d", "/a/x", "/a-b")
    assert names(await store.range("/a", "/d")) == ["/a", "/a-b", "/a/x", "/b", "/c"]


async def test_a_limit_cuts_and_says_so(store: Store) -> None:
    revision = await put(store, *(f"/k{n}" for n in range(5)))
    found = await store.range("/", "0", limit=2)
    assert (names(found), found.more, found.count, found.revision) == (["/k0", "/k1"], True, 5, revision)
    found = await store.range("/k3", "0", limit=2)
    assert (names(found), found.more, found.count) == (["/k3", "/k4"], False, 2)


async def test_counting_alone_reads_nothing(store: Store) -> None:
    await put(store, "/a", "/b")
    found = await store.range("/", "0", count_only=True)
    assert (found.items, found.count) == ((), 2)


async def test_every_earlier_state_can_be_read(store: Store) -> None:
    base = store.revision
    await put(store, "/a", "/b", value=b"1")
    await store.commit([], [Put("/a", b"2"), Delete("/b")])
    await put(store, "/b", value=b"3")
    states = [
        {item.key: item.value for item in (await store.range("/", "0", revision=base + n)).items} for n in range(1, 5)
    ]
    assert states == [
        {"/a": b"1"},
        {"/a": b"1", "/b": b"1"},
        {"/a": b"2"},
        {"/a": b"2", "/b": b"3"},
    ]


async def test_limits_and_counts_hold_for_earlier_states(store: Store) -> None:
    revision = await put(store, "/a", "/b", "/c")
    await store.commit([], [Delete("/a")])
    await put(store, "/b", "/d")
    found = await store.range("/", "0", limit=2, revision=revision)
    assert (names(found), found.more, found.count, found.revision) == (["/a", "/b"], True, 3, revision)
    assert [item.mod_revision for item in found.items] == [revision - 2, revision - 1]


async def test_the_future_cannot_be_read(store: Store) -> None:
    with pytest.raises(FutureRevision):
        await store.range("/", "0", revision=store.revision + 1)


async def test_compaction_keeps_its_own_revision_and_what_came_after(store: Store) -> None:
    kept = await put(store, "/a", "/a", "/b", "/a", value=b"old")
    await store.commit([], [Delete("/b")])
    last = await put(store, "/a", value=b"new")
    await store.compact(kept)
    with pytest.raises(Compacted) as error:
        await store.range("/", "0", revision=kept - 1)
    assert error.value.revision == kept
    assert names(await store.range("/", "0", revision=kept)) == ["/a", "/b"]
    assert names(await store.range("/", "0", revision=last)) == ["/a"]


async def test_compaction_goes_forward_only_and_not_into_the_future(store: Store) -> None:
    revision = await put(store, "/a", "/a")
    await store.compact(revision)
    with pytest.raises(Compacted):
        await store.compact(revision)
    with pytest.raises(FutureRevision):
        await store.compact(revision + 1)
    found = await store.get("/a")
    assert found is not None
    assert found.version == 2


async def test_many_keys_appearing_and_vanishing_between_ranges(store: Store) -> None:
    for n in range(0, 300, 100):
        await store.commit([], [Put(f"/{k:03}", b"") for k in range(n, n + 100)])
    assert len((await store.range("/", "0")).items) == 300
    await store.commit([], [Delete(f"/{k:03}") for k in range(0, 200, 2)])
    await put(store, "/0005", "/250")
    expected = sorted({f"/{k:03}" for k in range(300) if k >= 200 or k % 2} | {"/0005"})
    assert names(await store.range("/", "0")) == expected
