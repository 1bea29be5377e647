"""Leases: keys that go when nobody renews."""

from __future__ import annotations

import pytest

from sampan.store.errors import LeaseNotFound
from sampan.store.interface import Delete, Put, Store
from sampan.testing.clock import VirtualClock


async def expired(store: Store, clock: VirtualClock, seconds: float) -> None:
    """Lets time pass, and what it brings about be written."""
    await clock.advance(seconds)
    await store.commit([], [Delete("/none")])


@pytest.mark.usefixtures("virtual_time")
async def test_keys_go_in_one_commit_when_the_lease_ends(store: Store, clock: VirtualClock) -> None:
    lease = await store.lease_grant(10)
    await store.commit([], [Put("/a", b"", lease=lease), Put("/b", b"", lease=lease), Put("/c", b"")])
    revision = store.revision
    await expired(store, clock, 9.9)
    assert store.revision == revision
    await expired(store, clock, 0.2)
    assert store.revision == revision + 1
    assert [item.key for item in (await store.range("/", "0")).items] == ["/c"]


@pytest.mark.usefixtures("virtual_time")
async def test_renewing_starts_the_time_anew(store: Store, clock: VirtualClock) -> None:
    lease = await store.lease_grant(10)
    await store.commit([], [Put("/a", b"", lease=lease)])
    for _ in range(3):
        await expired(store, clock, 8)
        assert await store.lease_renew(lease) == 10
    assert await store.get("/a") is not None
    await expired(store, clock, 10.1)
    assert await store.get("/a") is None
    with pytest.raises(LeaseNotFound):
        await store.lease_renew(lease)


async def test_a_key_put_again_without_the_lease_stays(store: Store) -> None:
    lease = await store.lease_grant(10)
    await store.commit([], [Put("/a", b"1", lease=lease)])
    await store.commit([], [Put("/a", b"2")])
    await store.lease_revoke(lease)
    found = await store.get("/a")
    assert found is not None
    assert (found.value, found.lease) == (b"2", 0)


async def test_revoking_counts_commits_of_the_same_moment(store: Store) -> None:
    lease = await store.lease_grant(10)
    put = store.commit([], [Put("/a", b"1", lease=lease)])
    await store.lease_revoke(lease)
    assert (await put).succeeded
    assert await store.get("/a") is None
    with pytest.raises(LeaseNotFound):
        await store.commit([], [Put("/a", b"1", lease=lease)])
    with pytest.raises(LeaseNotFound):
        await store.lease_revoke(lease)


async def test_a_lease_with_a_thousand_keys(store: Store) -> None:
    lease = await store.lease_grant(10)
    base = store.revision
    for n in range(10):
        await store.commit([], [Put(f"/{n}/{k:03}", b"", lease=lease) for k in range(100)])
    await store.lease_revoke(lease)
    assert (await store.range("/", "0")).count == 0
    watch = store.watch("/", "0", from_revision=base)
    deleted = 0
    while watch.revision < store.revision:
        deleted += sum(event.value is None for event in await watch.__anext__())
    assert deleted == 1000
