"""A host that falls silent without a word: nobody calls, and the watch is taken elsewhere all the same."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from sampan.aio.clock import SystemClock
from sampan.store.etcd import EtcdStore
from sampan.store.interface import Put
from sampan.testing import etcd
from sampan.testing.proxy import started

pytestmark = pytest.mark.skipif(not etcd.available(), reason="no etcd on this machine: install etcd-server")
SECONDS = 25
"""More than two keep-alives of six seconds, each with three for its answer; left alone, gRPC takes a minute."""


async def test_a_watch_leaves_a_silent_host(etcd_url: str) -> None:
    etcd.wipe(etcd_url)
    port = int(etcd_url.rpartition(":")[2])
    async with contextlib.AsyncExitStack() as stack:
        proxies = await started([port, port], stack)
        store = EtcdStore([f"http://127.0.0.1:{proxy.port}" for proxy in proxies], SystemClock())
        await store.start()
        stack.push_async_callback(store.close)
        elsewhere = EtcdStore([etcd_url], SystemClock())
        await elsewhere.start()
        stack.push_async_callback(elsewhere.close)
        watch = store.watch("/", "0", from_revision=store.revision)
        await elsewhere.commit((), (Put("/a", b"1"),))
        assert [event.key for event in await watch.__anext__()] == ["/a"]
        before = store.statistics()["endpoint"]
        silent = next(proxy for proxy in proxies if before.endswith(f":{proxy.port}"))
        await silent.set("hole")
        await elsewhere.commit((), (Put("/b", b"2"),))
        async with asyncio.timeout(SECONDS):
            assert [event.key for event in await watch.__anext__()] == ["/b"]
        assert store.statistics()["endpoint"] != before
        await silent.set("pass")
