"""A cache of pods over a store in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest

from sampan.store import keys
from sampan.store.cache import ResourceCache, WatchCache
from sampan.store.interface import Delete, Put
from sampan.store.memory import MemoryStore

Write = Callable[..., Awaitable[int]]


def pod(name: str, namespace: str = "default", node: str = "", text: str = "", **labels: str) -> bytes:
    return msgspec.json.encode(
        {
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {"nodeName": node, "text": text},
        }
    )


@pytest.fixture
async def store() -> AsyncIterator[MemoryStore]:
    opened = MemoryStore()
    await opened.start()
    yield opened
    await opened.close()


@pytest.fixture
async def cache(store: MemoryStore) -> AsyncIterator[WatchCache]:
    opened = WatchCache(store)
    await opened.start()
    yield opened
    await opened.close()


@pytest.fixture
async def pods(cache: WatchCache) -> ResourceCache:
    return cache.resource("", "pods", fields=["spec.nodeName"])


@pytest.fixture
def put(store: MemoryStore) -> Write:
    """Writes a pod, `name` or `namespace/name`, and returns the revision."""

    async def write(name: str, **options: str) -> int:
        namespace, _, name = name.rpartition("/")
        value = pod(name, namespace or "default", **options)
        return (await store.commit([], [Put(keys.key("", "pods", namespace or "default", name), value)])).revision

    return write


@pytest.fixture
def delete(store: MemoryStore) -> Write:
    async def write(name: str) -> int:
        namespace, _, name = name.rpartition("/")
        return (await store.commit([], [Delete(keys.key("", "pods", namespace or "default", name))])).revision

    return write
