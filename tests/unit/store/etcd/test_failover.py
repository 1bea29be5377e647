"""Members that die, hang and come back: what was acknowledged stays, watches miss nothing, calls find another way."""

from __future__ import annotations

import asyncio
import shutil
import signal

import pytest

from sampan.aio.clock import SystemClock
from sampan.store.errors import QuotaExceeded, Unavailable
from sampan.store.etcd import EtcdStore
from sampan.store.interface import Delete, Put
from sampan.testing import etcd

pytestmark = pytest.mark.skipif(not etcd.available(), reason="no etcd on this machine: install etcd-server")


async def put(store: EtcdStore, key: str) -> int:
    """Writes until it is acknowledged; the revision."""
    while True:
        try:
            return (await store.commit([], [Put(key, b"")])).revision
        except Unavailable:
            continue


async def test_another_member_takes_over_for_calls_and_watches() -> None:
    with etcd.cluster(3) as cluster:
        await cluster.ready()
        store = EtcdStore(cluster.endpoints, SystemClock(), seconds=20)
        await store.start()
        watch = store.watch("/", "0", from_revision=store.revision)
        revisions = [await put(store, "/0")]
        for n, fault in enumerate((signal.SIGKILL, signal.SIGSTOP), 1):
            member = next(each for each in cluster.members if each.url == store.statistics()["endpoint"])
            member.send(fault)
            assert await store.get("/0") is not None
            revisions.append(await put(store, f"/{n}"))
            if fault == signal.SIGKILL:
                member.kill()
                cluster.start(member)
            else:
                member.send(signal.SIGCONT)
        seen = []
        while watch.revision < revisions[-1]:
            seen += [(event.key, event.revision) for event in await watch.__anext__()]
        assert {key for key, _ in seen} == {"/0", "/1", "/2"}
        assert {revision for _, revision in seen} >= set(revisions)
        assert len(seen) == len(set(seen))
        assert store.statistics()["switches"] >= 2
        await store.close()


async def test_a_single_member_that_restarts_is_waited_for() -> None:
    with etcd.cluster() as cluster:
        await cluster.ready()
        store = EtcdStore(cluster.endpoints, SystemClock())
        await store.start()
        watch = store.watch("/", "0", from_revision=store.revision)
        await put(store, "/a")
        cluster.members[0].kill()
        reading = asyncio.ensure_future(store.get("/a"))
        cluster.start()
        assert await reading is not None
        await put(store, "/b")
        seen: list[str] = []
        while "/b" not in seen:
            seen += [event.key for event in await watch.__anext__()]
        assert seen == ["/a", "/b"]
        await store.close()


async def test_a_full_etcd_says_what_to_do_which_helps() -> None:
    with etcd.cluster(options=["--quota-backend-bytes=4000000"]) as cluster:
        await cluster.ready()
        store = EtcdStore(cluster.endpoints, SystemClock())
        await store.start()
        with pytest.raises(QuotaExceeded, match="etcdctl defrag"):
            for n in range(200):
                await store.commit([], [Put(f"/{n}", bytes(500_000))])
        assert await store.get("/0") is not None
        for n in range(200):
            await store.commit([], [Delete(f"/{n}")])
        await store.compact(store.revision)
        for command in ("defrag", "alarm disarm"):
            etcd.etcdctl(cluster.endpoints[0], *command.split())
        assert (await store.commit([], [Put("/new", bytes(500_000))])).succeeded
        await store.close()


async def test_an_etcd_that_lost_its_data_is_not_gone_on_with() -> None:
    with etcd.cluster() as cluster:
        await cluster.ready()
        store = EtcdStore(cluster.endpoints, SystemClock())
        await store.start()
        watch = store.watch("/", "0", from_revision=store.revision)
        await put(store, "/a")
        assert [event.key for event in await watch.__anext__()] == ["/a"]
        cluster.members[0].kill()
        shutil.rmtree(cluster.members[0].folder / "data")
        cluster.start()
        with pytest.raises(Unavailable, match=r"went back .*restart the API servers"):
            await watch.__anext__()
        with pytest.raises(Unavailable, match="went back"):
            await store.get("/a")
        await store.close()
