"""Power loss of an SQLite store between any two of its system calls: `python -m sampan.testing.faults.power --seeds N`.

A writer runs under strace, which notes what is written where, each fsync, and each acknowledgement, in their order.
From that the files are made as a disk could hold them after each of these calls:

- all that was written, as when the process alone dies;
- what was synced, and nothing else;
- what was synced, and of the later writes some, one of them torn in the middle of a sector.

Each of them must open, and hold exactly the state after the last acknowledged commit, or after the one that was under
way. Directories are taken to hold what was ever created in them. The log's index (`-shm`) is not taken: SQLite makes it
anew.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sampan.aio.clock import SystemClock
from sampan.store.interface import Delete, Operation, Put
from sampan.store.sqlite import SqliteStore, file, schema
from sampan.store.sqlite.store import ThreadLog

COMMITS = 60
CHECKPOINT_PAGES = 16
"""Pages of the write-ahead log after which SQLite brings it into the file: few, so that it happens often."""
CALLS = "pwrite64,write,fsync,fdatasync,ftruncate,unlink"
CALL = re.compile(
    r'^(\w+)\((\d+)<([^>]*)>(?:, "((?:\\x[0-9a-f]{2})*)"(?:\.\.\.)?)?(?:, (\d+))?(?:, (\d+))?\)\s+= (\d+)'
)
UNLINK = re.compile(r'^unlink\("((?:\\x[0-9a-f]{2})*)"\)\s+= 0')
MODULE = "sampan.testing.faults.power"
SECTOR = 512
FILES = ("store.db", "store.db-wal", "store.db-journal")
State = dict[str, bytes]


class Step(NamedTuple):
    """One call: `kind` is write, sync, truncate, unlink or acknowledge; `at` an offset, a size or a commit's number."""

    kind: str
    name: str
    at: int
    data: bytes


# The writer


def plan(seed: int) -> list[list[Operation]]:
    """Commits of one or more keys, small and large, creating, overwriting and deleting."""
    rng = random.Random(seed)
    made: list[list[Operation]] = []
    for number in range(COMMITS):
        chosen = rng.sample(range(12), rng.randint(1, 4))
        value = (b"%d:" % number).ljust(rng.choice((10, 300, 5000)), b".")
        made.append([Put(f"/{key}", value) if rng.random() < 0.8 else Delete(f"/{key}") for key in chosen])
    return made


def states(commits: list[list[Operation]]) -> list[State]:
    """What there is before the first commit and after each."""
    found: list[State] = [{}]
    for commit in commits:
        state = dict(found[-1])
        for operation in commit:
            state.pop(operation.key, None)
            if isinstance(operation, Put):
                state[operation.key] = operation.value
        found.append(state)
    return found


async def write(path: Path, seed: int, *, careless: bool = False) -> None:
    """Says each commit's number when it is acknowledged; `careless`, without having synced it.

    The writer is a process with an odd seed, as under a server, and a thread with an even one.
    """
    schema.WAL_PAGES = CHECKPOINT_PAGES
    store = SqliteStore(path, SystemClock(), process=seed % 2 == 1)
    await store.start()
    if careless:
        log = store.log
        assert isinstance(log, ThreadLog), "an even seed's writer is a thread"
        await log._writing.run(lambda: log._writer.execute("PRAGMA synchronous = OFF"))
    os.write(1, b"0\n")
    for number, commit in enumerate(plan(seed), 1):
        await store.commit((), commit)
        os.write(1, b"%d\n" % number)
        if number % 20 == 0:
            await store.compact(store.revision - 5)
    await store.close()


# What it did


def record(folder: Path, seed: int, *, careless: bool = False) -> list[Step]:
    """The writer's calls; raises subprocess.CalledProcessError."""
    trace = folder / "trace"
    strace = [
        "strace",
        "-f",
        "-y",
        "-xx",
        "-s",
        "1000000",
        "-e",
        f"trace={CALLS}",
        "-e",
        "signal=none",
        "-o",
        str(trace),
    ]
    writer = [sys.executable, "-m", MODULE, "--write", str(folder / "store.db"), "--seed", str(seed)]
    writer += ["--careless"] * careless
    subprocess.run([*strace, *writer], check=True, capture_output=True, timeout=120)
    return [step for line in _whole(trace) if (step := _step(line)) is not None]


def _whole(trace: Path) -> Iterator[str]:
    """Calls as lines, in the order in which they ended; strace cuts a line when another thread comes between."""
    begun: dict[str, str] = {}
    with trace.open() as lines:
        for line in lines:
            thread, _, text = line.rstrip("\n").partition(" ")
            text = text.strip()
            if text.endswith("<unfinished ...>"):
                begun[thread] = text.removesuffix("<unfinished ...>").rstrip()
            elif text.startswith("<... "):
                yield begun.pop(thread, "") + text.partition(" resumed>")[2]
            else:
                yield text


def _step(line: str) -> Step | None:
    """What a line says, None when it is of no concern."""
    if gone := UNLINK.match(line):
        return _ours("unlink", _bytes(gone[1]))
    found = CALL.match(line)
    if found is None:
        return None
    call, descriptor, path, data, second, third, _ = found.groups()
    if call == "write":
        return Step("acknowledge", "", int(_bytes(data)), b"") if descriptor == "1" else None
    if call == "pwrite64":
        return _ours("write", _bytes(path), int(third), _bytes(data))
    return _ours("truncate", _bytes(path), int(second)) if call == "ftruncate" else _ours("sync", _bytes(path))


def _ours(kind: str, path: bytes, at: int = 0, data: bytes = b"") -> Step | None:
    name = Path(os.fsdecode(path)).name
    return Step(kind, name, at, data) if name in FILES else None


def _bytes(text: str) -> bytes:
    """strace's hexadecimal."""
    return bytes.fromhex(text.replace("\\x", ""))


# What a disk could hold


class Disk:
    """The files' contents as written, and as synced with what came later."""

    def __init__(self) -> None:
        self.written: dict[str, bytearray] = {}
        self.synced: dict[str, bytearray] = {}
        self.pending: dict[str, list[Step]] = {}

    def do(self, step: Step) -> None:
        content = self.written.setdefault(step.name, bytearray())
        if step.kind == "unlink":
            for files in (self.written, self.synced, self.pending):
                files.pop(step.name, None)
        elif step.kind == "sync":
            self.synced[step.name] = bytearray(content)
            self.pending[step.name] = []
        else:
            apply(content, step)
            self.pending.setdefault(step.name, []).append(step)

    def images(self, rng: random.Random) -> Iterator[dict[str, bytearray]]:
        yield self.written
        yield self.synced
        yield {name: self._some(name, rng) for name in self.written}

    def _some(self, name: str, rng: random.Random) -> bytearray:
        """What was synced and some of the later writes, the last of which is torn."""
        content = bytearray(self.synced.get(name, b""))
        chosen = [step for step in self.pending.get(name, ()) if rng.random() < 0.6]
        for step in chosen[:-1]:
            apply(content, step)
        if chosen:
            last = chosen[-1]
            kept = rng.randrange(len(last.data) + 1) if rng.random() < 0.7 else len(last.data) // SECTOR * SECTOR // 2
            apply(content, last._replace(data=last.data[:kept]))
        return content


def apply(content: bytearray, step: Step) -> None:
    if step.kind == "truncate":
        del content[step.at :]
        content.extend(bytes(step.at - len(content)))
    else:
        content.extend(bytes(max(step.at - len(content), 0)))
        content[step.at : step.at + len(step.data)] = step.data


# What must hold


def problems(steps: list[Step], seed: int, folder: Path) -> Iterator[str]:
    """What is wrong with any of the images."""
    expected, disk, rng = states(plan(seed)), Disk(), random.Random(seed)
    acknowledged = -1
    for number, step in enumerate(steps):
        if step.kind == "acknowledge":
            acknowledged = step.at
        else:
            disk.do(step)
        allowed = expected[max(acknowledged, 0) : acknowledged + 2]
        for kind, image in zip(("all", "synced", "some"), disk.images(rng), strict=True):
            found = _opened(image, folder)
            if acknowledged < 0 and isinstance(found, str):
                # Nothing was promised yet, and a file that is half made may be refused.
                continue
            if found not in allowed:
                yield f"seed {seed}, call {number} ({step.kind} {step.name}), {kind}: after {acknowledged}: {found}"


def _opened(image: dict[str, bytearray], folder: Path) -> State | str:
    """The living keys, or why there are none."""
    path = folder / "store.db"
    for old in folder.iterdir():
        old.unlink()
    for name, content in image.items():
        (folder / name).write_bytes(content)
    try:
        writer, reader = file.open_file(path)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    try:
        heads = file.contents(writer).heads
        rows = file.rows(writer, [head.id for head in heads.values()])
        return {key: rows[head.id].value or b"" for key, head in heads.items()}
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        reader.close()
        writer.close()


def tried(seed: int, *, careless: bool = False) -> tuple[int, list[str]]:
    """How many calls were followed by a power loss, and what was wrong."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="sampan-power-", dir=memory if memory.is_dir() else None) as scratch:
        recorded, opened = Path(scratch, "recorded"), Path(scratch, "opened")
        recorded.mkdir()
        opened.mkdir()
        steps = record(recorded, seed, careless=careless)
        return len(steps), list(problems(steps, seed, opened))


def main() -> None:
    parser = argparse.ArgumentParser(description="Cut the power of an SQLite store after each of its system calls.")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="try so many seeds")
    parser.add_argument("--seed", type=int, metavar="S", help="try this one alone")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--careless", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.write is not None:
        asyncio.run(write(arguments.write, arguments.seed, careless=arguments.careless))
        return
    failed = 0
    for seed in range(arguments.seeds) if arguments.seed is None else [arguments.seed]:
        count, found = tried(seed)
        failed += bool(found)
        print(f"seed {seed}: {count} calls, {len(found)} problems")
        for problem in found[:10]:
            print(f"  WRONG: {problem[:300]}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
