"""The writer as a process: what happens when either side of its socket dies."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sampan.aio.clock import SystemClock
from sampan.store.errors import QuotaExceeded, Unavailable
from sampan.store.interface import Put
from sampan.store.sqlite import SqliteStore, file, schema, statements, writer

HOLDER = """
import asyncio, os, sys
from sampan.aio.clock import SystemClock
from sampan.store.interface import Put
from sampan.store.sqlite import SqliteStore

async def main():
    store = SqliteStore(sys.argv[1], SystemClock(), process=True)
    await store.start()
    await store.commit([], [Put("/a", b"1")])
    os.kill(store.log._writing._process.pid, 19)
    pending = store.commit([], [Put("/b", b"2")])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    print(store.log._writing._process.pid, flush=True)
    await pending

asyncio.run(main())
"""


async def started(path: Path) -> SqliteStore:
    store = SqliteStore(path, SystemClock(), process=True)
    await store.start()
    return store


def writer_of(store: SqliteStore) -> int:
    process: asyncio.subprocess.Process = store.log._writing._process  # type: ignore[attr-defined]
    return process.pid


async def test_a_killed_writer_is_told_to_whoever_waits_and_whoever_comes(path: Path) -> None:
    store = await started(path)
    await store.commit([], [Put("/a", b"1")])
    os.kill(writer_of(store), signal.SIGKILL)
    with pytest.raises(Unavailable, match="start the server again"):
        await store.commit([], [Put("/b", b"2")])
    with pytest.raises(Unavailable, match="must be restarted"):
        await store.commit([], [Put("/c", b"3")])
    assert "start the server again" in await store.broken()
    await store.close()
    again = await started(path)
    assert (await again.range("/", "0")).items[0].key == "/a"
    await again.close()


async def test_a_writer_that_outlives_its_server_is_waited_for(path: Path) -> None:
    """The server dies while its writer, stopped, holds an unwritten commit: whoever opens the file next must not read
    it before the writer is done with it, or what it reads would lack that commit."""
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(path), stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    stopped = int(await server.stdout.readline())
    server.kill()
    await server.wait()
    opening = asyncio.create_task(started(path))
    await asyncio.wait([opening], timeout=0.05)
    assert not opening.done()
    os.kill(stopped, signal.SIGCONT)
    store = await opening
    try:
        assert [item.key for item in (await store.range("/", "0")).items] == ["/a", "/b"]
        await store.commit([], [Put("/c", b"3")])
    finally:
        await store.close()


async def test_closing_leaves_no_process_and_no_log(path: Path) -> None:
    store = await started(path)
    process = writer_of(store)
    await asyncio.gather(*(store.commit([], [Put(f"/{n}", b"v")]) for n in range(100)))
    await store.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    assert not path.with_name(path.name + "-wal").exists()


async def test_the_writer_goes_on_where_a_terminal_interrupts_everybody(path: Path) -> None:
    store = await started(path)
    await store.commit([], [Put("/before", b"1")])  # it has begun its work
    os.kill(writer_of(store), signal.SIGINT)
    os.kill(writer_of(store), signal.SIGTERM)
    await store.commit([], [Put("/a", b"1")])
    await store.close()


def test_an_error_is_answered_by_its_name(path: Path) -> None:
    connection, reader = file.open_file(path)
    pages = statements.pragma(connection, "page_count")
    connection.execute(f"PRAGMA max_page_count = {pages}")
    row = [1 << 16, "/a", 1, 1, 0, 0, b"v" * 100_000]
    failure, result = writer.answer(connection, "append", (row, {}, []))
    assert result is None
    assert isinstance(schema.meant(*failure, path), QuotaExceeded)
    connection.execute("PRAGMA max_page_count = 1000000")
    assert writer.answer(connection, "append", (row, {}, [1 << 16])) == (None, [tuple(row)])
    reader.close()
    connection.close()


def test_the_writer_holds_nothing_but_sqlite() -> None:
    code = "import sys, sampan.store.sqlite.writer; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "sqlite3" in loaded
    assert not {"msgspec", "asyncio", "logging", "grpc"} & set(loaded)
