"""What a file must be like, and what is said when it is not."""

# ruff: noqa: ASYNC221, ASYNC240
from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from sampan.aio.clock import SystemClock
from sampan.store.errors import Corrupt, Unavailable
from sampan.store.interface import Delete, Put
from sampan.store.sqlite import SqliteStore, schema


async def refusal(path: Path, kind: type[Exception]) -> str:
    store = SqliteStore(path, SystemClock())
    with pytest.raises(kind) as error:
        await store.start()
    return str(error.value)


async def test_everything_is_there_after_reopening(opened) -> None:
    async with opened() as store:
        lease = await store.lease_grant(60)
        await store.commit([], [Put("/a", b"1", lease=lease), Put("/b", b"1")])
        await store.commit([], [Put("/a", b"2", lease=lease)])
        last = (await store.commit([], [Delete("/b")])).revision
        before = await store.range("/", "0")
    async with opened() as store:
        assert store.revision == last
        assert await store.range("/", "0") == before
        assert len((await store.range("/", "0", revision=last - 1)).items) == 2
        assert await store.lease_renew(lease) == 60
        await store.lease_revoke(lease)
        assert await store.get("/a") is None


async def test_the_revision_survives_even_if_its_rows_are_compacted(opened) -> None:
    async with opened() as store:
        await store.commit([], [Put("/a", b"1")])
        last = (await store.commit([], [Delete("/a")])).revision
        await store.compact(last)
    async with opened() as store:
        assert store.revision == last
        assert store.compacted == last


async def test_a_second_store_on_the_file_is_refused(opened, path: Path) -> None:
    async with opened():
        assert "is in use by process" in await refusal(path, Unavailable)
    async with opened():
        pass


async def test_a_second_process_is_refused_and_told_by_whom(opened, path: Path) -> None:
    script = (
        "import asyncio, sys; from sampan.store.sqlite import SqliteStore; from sampan.aio.clock import SystemClock\n"
        "asyncio.run(SqliteStore(sys.argv[1], SystemClock()).start())"
    )
    async with opened():
        done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"{path} is in use by process {os.getpid()}: stop it first" in done.stderr


async def test_a_file_that_is_no_database(path: Path) -> None:
    path.write_bytes(b"not a database" * 1000)
    assert "restore a backup" in await refusal(path, Corrupt)
    assert path.read_bytes() == b"not a database" * 1000


async def test_somebody_elses_database(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE notes (text)")
    connection.close()
    assert "no Sampan store" in await refusal(path, Corrupt)


async def test_a_newer_format(opened, path: Path) -> None:
    async with opened():
        pass
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    connection.close()
    assert "newer Sampan" in await refusal(path, Corrupt)


@pytest.mark.parametrize("damage", ["truncated", "overwritten"])
async def test_a_damaged_file(opened, path: Path, damage: str) -> None:
    async with opened() as store:
        for n in range(200):
            await store.commit([], [Put(f"/{n}", b"v" * 1000)])
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes(
        content[:half] if damage == "truncated" else content[:half] + b"\xa5" * 8192 + content[half + 8192 :]
    )
    assert "restore a backup" in await refusal(path, Corrupt)


async def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    assert "No such file or directory" in await refusal(tmp_path / "none" / "store.db", Unavailable)


async def test_a_refused_file_is_left_unlocked(opened, path: Path) -> None:
    path.write_bytes(b"junk" * 1000)
    await refusal(path, Corrupt)
    path.unlink()
    async with opened() as store:
        assert store.revision == 1
