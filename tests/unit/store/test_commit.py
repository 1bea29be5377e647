"""Commits: compare-and-swap of several keys, revisions and versions, order."""

from __future__ import annotations

import asyncio

import pytest

from sampan.store.errors import InvalidCommit, LeaseNotFound, Unavailable
from sampan.store.interface import MAX_OPERATIONS, Compare, Delete, KeyValue, Put, Store


async def test_a_put_raises_the_revision_and_can_be_read(store: Store) -> None:
    base = store.revision
    commit = await store.commit([Compare("/a", 0)], [Put("/a", b"1")])
    assert commit.succeeded
    assert commit.revision == store.revision == base + 1
    assert await store.get("/a") == KeyValue("/a", b"1", base + 1, base + 1, 1)


async def test_versions_count_puts_since_the_creation(store: Store) -> None:
    base = store.revision
    for value in (b"1", b"2"):
        await store.commit([], [Put("/a", value)])
    assert await store.get("/a") == KeyValue("/a", b"2", base + 1, base + 2, 2)
    await store.commit([], [Delete("/a")])
    assert await store.get("/a") is None
    await store.commit([], [Put("/a", b"3")])
    assert await store.get("/a") == KeyValue("/a", b"3", base + 4, base + 4, 1)


async def test_a_refused_commit_changes_nothing_and_tells_what_was_found(store: Store) -> None:
    first = await store.commit([], [Put("/a", b"1")])
    commit = await store.commit([Compare("/a", 0), Compare("/b", 0)], [Put("/a", b"2"), Put("/b", b"2")])
    assert not commit.succeeded
    assert commit.revision == store.revision == first.revision
    assert commit.found == {"/a": KeyValue("/a", b"1", first.revision, first.revision, 1), "/b": None}
    assert await store.get("/b") is None


async def test_changes_of_one_commit_share_its_revision(store: Store) -> None:
    commit = await store.commit([], [Put("/a", b"1"), Put("/b", b"1")])
    found = await store.range("/", "0")
    assert [item.mod_revision for item in found.items] == [commit.revision] * 2


async def test_what_changes_nothing_takes_no_revision(store: Store) -> None:
    base = store.revision
    commit = await store.commit([Compare("/a", 0)], [Delete("/a")])
    assert commit.succeeded
    assert commit.revision == store.revision == base


async def test_commits_of_one_moment_are_decided_in_call_order(store: Store) -> None:
    commits = [store.commit([Compare("/a", 0)], [Put("/a", b"%d" % n)]) for n in range(10)]
    answers = await asyncio.gather(*commits)
    assert [answer.succeeded for answer in answers] == [True] + [False] * 9
    found = {answer.found["/a"] for answer in answers[1:]}
    assert [item.value for item in found if item] == [b"0"]


async def test_each_of_many_racing_increments_counts(store: Store) -> None:
    await store.commit([], [Put("/n", b"0")])

    async def increment() -> None:
        while True:
            old = await store.get("/n")
            assert old is not None
            new = Put("/n", b"%d" % (int(old.value) + 1))
            if (await store.commit([Compare("/n", old.mod_revision)], [new])).succeeded:
                return

    await asyncio.gather(*(increment() for _ in range(20)))
    final = await store.get("/n")
    assert final is not None
    assert (final.value, final.version) == (b"20", 21)


async def test_a_commit_may_not_change_a_key_twice(store: Store) -> None:
    base = store.revision
    with pytest.raises(InvalidCommit, match="only once"):
        await store.commit([], [Put("/a", b"1"), Delete("/a")])
    assert store.revision == base


async def test_operations_per_commit_are_limited(store: Store) -> None:
    await store.commit([], [Put(f"/k{n}", b"") for n in range(MAX_OPERATIONS)])
    with pytest.raises(InvalidCommit, match="128"):
        await store.commit([], [Put(f"/k{n}", b"") for n in range(MAX_OPERATIONS + 1)])


async def test_a_bad_commit_does_not_harm_its_neighbours(store: Store) -> None:
    bad = store.commit([], [Put("/a", b"", lease=12345)])
    good = store.commit([], [Put("/b", b"")])
    with pytest.raises(LeaseNotFound):
        await bad
    assert (await good).succeeded


async def test_a_cancelled_caller_does_not_cancel_the_commit(store: Store) -> None:
    async def write() -> None:
        await store.commit([], [Put("/a", b"1")])

    task = asyncio.create_task(write())
    await asyncio.sleep(0)
    task.cancel()
    await store.commit([], [Put("/b", b"1")])
    found = await store.get("/a")
    assert found is not None
    assert found.value == b"1"


async def test_large_values_and_any_text_in_keys(store: Store) -> None:
    value = bytes(range(256)) * 12_000
    await store.commit([], [Put("/registry/ü/日本", value)])
    found = await store.get("/registry/ü/日本")
    assert found is not None
    assert found.value == value


async def test_a_closed_store_says_so(store: Store) -> None:
    pending = store.commit([], [Put("/a", b"1")])
    await store.close()
    assert (await pending).succeeded
    with pytest.raises(Unavailable, match="closed"):
        await store.commit([], [Put("/a", b"1")])
    with pytest.raises(Unavailable, match="closed"):
        await store.get("/a")
