"""Stores on one file, opened as often as a test likes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from sampan.aio.clock import SystemClock
from sampan.store.retention import Policy
from sampan.store.sqlite import SqliteStore

Open = Callable[..., AbstractAsyncContextManager[SqliteStore]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture(params=[False, True], ids=["thread", "process"])
def process(request: pytest.FixtureRequest) -> bool:
    """Who writes."""
    return bool(request.param)


@pytest.fixture
def opened(path: Path, process: bool) -> Open:
    @asynccontextmanager
    async def open_store(at: Path = path, retention: Policy | None = None) -> AsyncIterator[SqliteStore]:
        store = SqliteStore(at, SystemClock(), retention=retention, process=process)
        await store.start()
        try:
            yield store
        finally:
            await store.close()

    return open_store
