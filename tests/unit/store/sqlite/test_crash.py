"""An acknowledged write is on disk: whatever moment the process or the machine dies at."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import sys
from pathlib import Path

from sampan.store.interface import Delete, Put
from sampan.store.sqlite import SqliteStore

WRITER = """
import asyncio, sys
from sampan.aio.clock import SystemClock
from sampan.store.interface import Put
from sampan.store.sqlite import SqliteStore

async def main():
    store = SqliteStore(sys.argv[1], SystemClock(), process=sys.argv[2] == "True")
    await store.start()
    async def write(w):
        n = 0
        while True:
            revision = (await store.commit([], [Put(f"/{w}", b"%d" % n), Put(f"/{w}/{n}", b"x" * 500)])).revision
            print(w, n, revision, flush=True)
            n += 1
    await asyncio.gather(*(write(w) for w in range(8)))

asyncio.run(main())
"""


def copied(path: Path, folder: Path) -> Path:
    """The file and its log as a power cut would leave them: without the shared-memory index."""
    folder.mkdir()
    for suffix in ("", "-wal"):
        if (source := path.with_name(path.name + suffix)).exists():
            shutil.copy(source, folder / (path.name + suffix))
    return folder / path.name


async def contents(store: SqliteStore) -> dict[str, bytes]:
    return {item.key: item.value for item in (await store.range("/", "0")).items}


async def test_a_copy_made_after_each_acknowledgement_has_it(opened, path: Path, tmp_path: Path) -> None:
    rng = random.Random(1)
    expected: dict[str, bytes] = {}
    async with opened() as store:
        for n in range(40):
            key = f"/{rng.randrange(10)}"
            if key in expected and rng.random() < 0.3:
                await store.commit([], [Delete(key)])
                del expected[key]
            else:
                expected[key] = rng.randbytes(rng.randrange(3000))
                await store.commit([], [Put(key, expected[key])])
            if n % 7 == 6:
                await store.compact(store.revision - 3)
            async with opened(copied(path, tmp_path / f"copy{n}")) as copy:
                assert await contents(copy) == expected
                assert copy.revision == store.revision


async def test_a_torn_tail_of_the_log_is_ignored(opened, path: Path, tmp_path: Path) -> None:
    rng = random.Random(2)
    sizes: list[int] = []
    wal = path.with_name(path.name + "-wal")
    async with opened() as store:
        for n in range(12):
            await store.commit([], [Put(f"/{n}", rng.randbytes(2000))])
            sizes.append(wal.stat().st_size)
        whole = copied(path, tmp_path / "whole")
    log = whole.with_name(wal.name).read_bytes()
    for n, size in enumerate(sizes[:-1]):
        torn = rng.randrange(size, sizes[n + 1])
        for tail in (log[size:torn], rng.randbytes(torn - size)):
            copy = copied(whole, tmp_path / f"torn{n}-{len(tail)}-{hash(tail)}")
            copy.with_name(wal.name).write_bytes(log[:size] + tail)
            async with opened(copy) as reopened:
                assert set(await contents(reopened)) == {f"/{k}" for k in range(n + 1)}


async def test_a_killed_writer_loses_nothing_acknowledged(opened, path: Path, process: bool) -> None:
    acknowledged: dict[str, int] = {}
    last = 0
    for kills in range(3):
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(path), str(process), stdout=asyncio.subprocess.PIPE
        )
        assert program.stdout is not None
        for _ in range(150 * (kills + 1)):
            line = await program.stdout.readline()
            if not line.endswith(b"\n"):
                break
            writer, n, revision = map(int, line.split())
            acknowledged[f"/{writer}"], last = n, max(last, revision)
            if kills == 2:
                acknowledged[f"/{writer}/{n}"] = -1
        program.send_signal(signal.SIGKILL)
        async for line in program.stdout:
            if line.endswith(b"\n"):
                writer, n, revision = map(int, line.split())
                acknowledged[f"/{writer}"], last = n, max(last, revision)
        await program.wait()
        async with opened() as store:
            found = await contents(store)
            assert store.revision >= last
            for key, n in acknowledged.items():
                assert key in found
                assert n < 0 or int(found[key]) >= n
