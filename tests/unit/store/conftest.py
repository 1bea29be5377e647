"""Every test that takes `store` runs on each implementation. To add one (etcd), add its opener to `OPENERS`.

An opener gives stores on fresh key spaces; tests make no assumption about the revision a store begins at.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from sampan.aio.clock import Clock
from sampan.store.interface import Store
from sampan.store.memory import MemoryStore
from sampan.store.sqlite import SqliteStore
from sampan.testing.clock import VirtualClock

Opener = Callable[[Path, Clock], Store]
OPENERS: dict[str, Opener] = {
    "memory": lambda folder, clock: MemoryStore(clock),
    "sqlite": lambda folder, clock: SqliteStore(folder / "store.db", clock),
}


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture(params=OPENERS)
def opener(request: pytest.FixtureRequest) -> Opener:
    return OPENERS[request.param]


@pytest.fixture
async def store(opener: Opener, tmp_path: Path, clock: VirtualClock) -> AsyncIterator[Store]:
    opened = opener(tmp_path, clock)
    await opened.start()
    async with asyncio.timeout(60):
        yield opened
    await opened.close()
