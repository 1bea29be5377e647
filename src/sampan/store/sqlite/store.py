"""`SqliteStore`: the engine over one SQLite file.

Writes go through one thread with its own connection, reads of history and values through another, so neither blocks the
event loop nor the other (WAL lets a reader and a writer work side by side). The living keys' heads are in memory, where
compares are decided; values are only on disk, because the watch cache has them in the form that readers want.

The file holds the living values, the history that the retention policy keeps (64 MiB unless told otherwise), what
compaction has yet to remove (more the faster writes come, but no rate outruns it), and at most a quarter of free pages;
the write-ahead log stays near 4 MB.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sampan.aio.clock import Clock
from sampan.store.engine import Engine
from sampan.store.log import Contents, Row, Unit, Written
from sampan.store.retention import Policy
from sampan.store.sqlite import file, schema
from sampan.store.sqlite.lock import FileLock
from sampan.store.sqlite.worker import Worker

T = TypeVar("T")
QUOTA = 8 << 30
"""Bytes; the largest size etcd's documentation suggests for its own --quota-backend-bytes."""


class SqliteLog:
    """`Log` in the file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path)
        self._writing, self._reading = Worker("store-writer"), Worker("store-reader")
        self._connections: list[sqlite3.Connection] = []
        self._groups = self._rows_written = 0

    async def open(self) -> Contents:
        self._lock.acquire()
        self._writing.start()
        self._reading.start()
        try:
            return await self._writing.run(self._guarded(self._open))
        except BaseException:
            await self.close()
            raise

    def _open(self) -> Contents:
        self._connections += file.open_file(self._path)
        self._writer, self._reader = self._connections
        return file.contents(self._writer)

    async def close(self) -> None:
        self._reading.stop()
        self._writing.stop()
        while self._connections:
            # The writer's goes last: closing it folds the write-ahead log into the file.
            self._connections.pop().close()
        self._lock.release()

    def append(self, unit: Unit, written: Written) -> None:
        self._groups += 1
        self._rows_written += len(unit.rows)
        self._writing.submit(self._guarded(partial(file.append, self._writer, unit)), written)

    async def rows(self, ids: Sequence[int]) -> dict[int, Row]:
        return await self._read(partial(file.rows, self._reader, ids))

    async def changes(self, after: int, until: int, *, limit: int, values: bool) -> list[Row]:
        return await self._read(partial(file.changes, self._reader, after, until, limit, values))

    async def compact(self, compacted: int, until: int, revision: int) -> None:
        await self._write(partial(file.compact, self._writer, compacted, until, revision))
        while await self._write(partial(file.reclaim, self._writer)):
            pass

    async def size(self) -> int:
        return await self._write(partial(file.size, self._writer))

    async def _write(self, job: Callable[[], T]) -> T:
        return await self._writing.run(self._guarded(job))

    async def _read(self, job: Callable[[], T]) -> T:
        return await self._reading.run(self._guarded(job))

    def _guarded(self, job: Callable[[], T]) -> Callable[[], T]:
        """The job with SQLite's errors as the store's."""

        def guarded() -> T:
            try:
                return job()
            except sqlite3.Error as error:
                raise schema.translated(error, self._path) from error

        return guarded

    def statistics(self) -> dict[str, Any]:
        return {
            "kind": "sqlite",
            "path": str(self._path),
            "groups": self._groups,
            "rows_written": self._rows_written,
            "file_bytes": _size(self._path),
            "wal_bytes": _size(self._path.with_name(self._path.name + "-wal")),
        }


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


class SqliteStore(Engine):
    """`Store` in one file. `retention` says how much history is kept, `quota` how many bytes in all."""

    def __init__(self, path: Path | str, clock: Clock, *, retention: Policy | None = None, quota: int = QUOTA) -> None:
        super().__init__(SqliteLog(Path(path)), clock, retention=retention, quota=quota)
