"""Several stores on one etcd: consistent reads, leases, other people's keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

import pytest

from sampan.aio.clock import SystemClock
from sampan.store import keys
from sampan.store.cache import WatchCache
from sampan.store.errors import LeaseNotFound, Unavailable
from sampan.store.etcd import EtcdStore
from sampan.store.etcd.member import Member
from sampan.store.interface import Compare, Put
from sampan.testing import etcd
from sampan.testing.ports import free_port

Open = Callable[..., AbstractAsyncContextManager[EtcdStore]]


@pytest.fixture
def opened(etcd_url: str) -> Open:
    etcd.wipe(etcd_url)

    @asynccontextmanager
    async def open_store(**options: object) -> AsyncIterator[EtcdStore]:
        store = EtcdStore([etcd_url], SystemClock(), **options)
        await store.start()
        try:
            async with asyncio.timeout(60):
                yield store
        finally:
            await store.close()

    return open_store


async def test_a_read_sees_what_another_server_acknowledged_before(opened: Open) -> None:
    async with opened() as one, opened() as other:
        cache = WatchCache(other)
        await cache.start()
        pods = cache.resource("", "pods")
        for n in range(50):
            value = b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p%d"}}' % n
            await one.commit([], [Put(keys.key("", "pods", "default", f"p{n}"), value)])
            await pods.fresh()
            assert pods.get("default", f"p{n}") is not None
        await cache.close()


async def test_reads_that_wait_share_one_question(opened: Open) -> None:
    async with opened() as one, opened() as other:
        asked = one.statistics()["revisions_asked"]
        for _ in range(10):
            first = [asyncio.ensure_future(one.latest()) for _ in range(500)]
            await asyncio.sleep(0)
            written = await other.commit([], [Put("/a", b"")])
            later = await asyncio.gather(*(one.latest() for _ in range(500)))
            assert min(later) >= written.revision
            await asyncio.gather(*first)
        assert one.statistics()["revisions_asked"] - asked <= 30
        left = [asyncio.ensure_future(one.latest()) for _ in range(3)]
        await asyncio.sleep(0)
        await one.close()
        for failure in await asyncio.gather(*left, return_exceptions=True):
            assert isinstance(failure, Unavailable)


async def test_others_keys_do_not_hold_up_reads_nor_show(opened: Open, etcd_url: str) -> None:
    async with opened(prefix="/tenant") as store, opened() as other:
        watch = store.watch("", "\U0010ffff", from_revision=store.revision)
        await other.commit([], [Put("/elsewhere", b"1"), Put("/tenants", b"1")])
        written = await other.commit([], [Put("/elsewhere", b"2")])
        latest = await store.latest()
        assert latest >= written.revision
        while store.revision < latest:
            assert await watch.__anext__() == []
        assert (await store.range("", "\U0010ffff")).count == 0
        refused = await store.commit([Compare("/a", 7)], [Put("/a", b"")])
        assert store.revision >= refused.revision >= latest
        await store.commit([], [Put("/a", b"1")])
        found = await other.get("/tenant/a")
        assert found is not None
        assert found.value == b"1"


async def test_a_lease_ends_by_itself_and_takes_its_keys(opened: Open) -> None:
    async with opened() as store:
        kept, left = await store.lease_grant(1), await store.lease_grant(1)
        await store.commit([], [Put("/a", b"", lease=left), Put("/b", b"", lease=left), Put("/c", b"", lease=kept)])
        watch = store.watch("/a", "/c", from_revision=store.revision)
        waiting = asyncio.ensure_future(watch.__anext__())
        while not waiting.done():
            assert await store.lease_renew(kept) >= 1
            await asyncio.wait([waiting], timeout=0.2)
        events = await waiting
        assert [(event.key, event.value) for event in events] == [("/a", None), ("/b", None)]
        assert len({event.revision for event in events}) == 1
        assert await store.get("/c") is not None
        with pytest.raises(LeaseNotFound):
            await store.lease_renew(left)


async def test_nobody_there_is_said_with_the_endpoints() -> None:
    port = free_port()
    store = EtcdStore([f"http://127.0.0.1:{port}"], SystemClock(), seconds=0.3)
    with pytest.raises(Unavailable, match=f"127.0.0.1:{port}.*check that etcd runs"):
        await store.start()


async def test_what_is_too_much_for_one_answer_comes_in_several(opened: Open) -> None:
    values = {f"/{n:03}": bytes([n]) * 9000 for n in range(100)}
    async with opened() as other:
        await other.commit([], [Put("/~huge", bytes(60_000))])
        await asyncio.gather(*(other.commit([], [Put(key, value)]) for key, value in values.items()))
    async with opened(member=partial(Member, most=50_000)) as store:
        for limit in (0, 100, 30):
            found = await store.range("/", "/~", limit=limit)
            assert {item.key: item.value for item in found.items} == dict(list(values.items())[: limit or 100])
            assert (found.count, found.more) == (100, limit == 30)
        with pytest.raises(Unavailable, match="of which 50000 are taken"):
            await store.get("/~huge")
