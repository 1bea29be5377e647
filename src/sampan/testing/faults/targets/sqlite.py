"""A real SQLite file, with the power cut between any two statements of its writer."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from sampan.aio.clock import SystemClock
from sampan.store.retention import Policy
from sampan.store.sqlite import SqliteStore, file
from sampan.testing.faults.targets.target import Fault, Incarnations

PAGE_BYTES = 4096
GARBAGE = 3000


class Sqlite(Incarnations):
    """`Target` on files below a temporary folder; each power cut goes on with a copy of what the disk held."""

    pace = 0.004

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.clock = SystemClock()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._number = 0
        self.faults: dict[str, Fault] = {
            "power-cut": self._power_cut,
            "power-cut-torn-tail": self._torn_tail,
            "power-cut-twice": self._twice,
            "restart": self._restart,
            "full-disk": self._full_disk,
            "slow-fsync": self._slow_fsync,
            "failing-fsync": self._failing_fsync,
            "failing-write": self._failing_write,
            "checkpoint": self._checkpoint,
            "compaction": self.compaction,
        }

    @property
    def path(self) -> Path:
        return self._place(self._number) / "store.db"

    def _place(self, number: int) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="sampan-faults-")
        return Path(self._folder.name, str(number))

    async def start(self) -> None:
        self.path.parent.mkdir(exist_ok=True)
        store = SqliteStore(self.path, self.clock, retention=Policy(seconds=1e9))
        await store.start()
        self.live(store)

    async def close(self) -> None:
        store = self.die()
        if store is not None:
            await store.close()
        if self._folder is not None:
            self._folder.cleanup()

    async def heal(self) -> None:
        if self._store is None or getattr(self._store, "_refusal", None) is not None:
            await self._restart(random.Random())

    @property
    def _log(self) -> Any:
        return self.store().log  # type: ignore[attr-defined]

    async def _power_cut(self, rng: random.Random, torn: int = 0) -> None:
        log = self._log
        # Nobody is told anything from here on, so the copy holds all that anybody was told.
        store = self.die()
        try:
            await log._writing.run(partial(self._copy, rng.randbytes(torn)))
            self._number += 1
        finally:
            closing = asyncio.ensure_future(store.close())
            await self.start()
            await closing

    def _copy(self, garbage: bytes) -> None:
        """On the writer's thread, and so between two of its statements."""
        target = self._place(self._number + 1)
        target.mkdir()
        for suffix in ("", "-wal"):
            source = self.path.with_name(self.path.name + suffix)
            if source.exists():
                shutil.copy(source, target / source.name)
        wal = target / (self.path.name + "-wal")
        if garbage and wal.exists():
            with wal.open("ab") as log:
                log.write(garbage)

    async def _torn_tail(self, rng: random.Random) -> None:
        """Half of a write that was not acknowledged had reached the disk."""
        await self._power_cut(rng, rng.randrange(1, GARBAGE))

    async def _twice(self, rng: random.Random) -> None:
        await self._power_cut(rng)
        await self._power_cut(rng)

    async def _restart(self, rng: random.Random) -> None:
        store = self._store
        if store is not None:
            await store.close()
            self.die()
        await self.start()

    async def _full_disk(self, rng: random.Random) -> None:
        """SQLite may not make the file larger."""
        writer: sqlite3.Connection = self._log._writer
        await self._statement("PRAGMA max_page_count = 1")
        await self.clock.sleep(rng.random() * 0.1)
        if self._store is not None and self._log._writer is writer:
            await self._statement("PRAGMA max_page_count = 1073741823")
        await self.heal()

    async def _statement(self, text: str) -> None:
        log = self._log
        await log._writing.run(lambda: log._writer.execute(text).fetchall())

    async def _checkpoint(self, rng: random.Random) -> None:
        await self._statement(f"PRAGMA wal_checkpoint({rng.choice(('PASSIVE', 'FULL', 'RESTART', 'TRUNCATE'))})")

    async def _slow_fsync(self, rng: random.Random) -> None:
        import time

        for _ in range(5):
            await self._log._writing.run(partial(time.sleep, rng.random() * 0.02))

    async def _failing_write(self, rng: random.Random) -> None:
        await self._failing(rng, done=False)

    async def _failing_fsync(self, rng: random.Random) -> None:
        """The write is in the file, and its caller is told that it failed."""
        await self._failing(rng, done=True)

    async def _failing(self, rng: random.Random, *, done: bool) -> None:
        log = self._log
        append = log.append

        def fail(unit: Any) -> Any:
            if done:
                file.append(log._writer, unit)
            raise sqlite3.OperationalError("disk I/O error")

        log.append = lambda unit, written: log._writing.submit(log._guarded(partial(fail, unit)), written)
        await self.clock.sleep(0.03)
        log.append = append
        await self.heal()
