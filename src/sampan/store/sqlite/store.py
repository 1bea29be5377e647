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
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sampan.aio.clock import Clock
from sampan.store.engine import Engine
from sampan.store.log import Contents, Row, Unit, Written, first_id
from sampan.store.retention import Policy
from sampan.store.sqlite import file, schema, statements
from sampan.store.sqlite.lock import FileLock
from sampan.store.sqlite.process import WriterProcess
from sampan.store.sqlite.worker import Worker

T = TypeVar("T")
QUOTA = 8 << 30
"""Bytes; the largest size etcd's documentation suggests for its own --quota-backend-bytes."""


class SqliteLog(ABC):
    """`Log` in the file at `path`, but for how it is written, which is its heirs' to say."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self._lock = FileLock(path)
        self._reading = Worker("store-reader")
        self._connections: list[sqlite3.Connection] = []
        self._groups = self._rows_written = 0

    async def open(self) -> Contents:
        await self._lock.wait(self._clock)
        self._reading.start()
        try:
            return await self._read(self._open)
        except BaseException:
            await self.close()
            raise

    def _open(self) -> Contents:
        self._connections += file.open_file(self._path)
        self._writer, self._reader = self._connections
        return file.contents(self._writer)

    async def close(self) -> None:
        self._reading.stop()
        while self._connections:
            # The writer's goes last: closing it folds the write-ahead log into the file.
            self._connections.pop().close()
        self._lock.release()

    @abstractmethod
    def append(self, unit: Unit, written: Written) -> None: ...

    @abstractmethod
    async def _write(self, statement: Callable[..., T], *arguments: Any) -> T:
        """A statement that writes, in turn with the units."""

    async def rows(self, ids: Sequence[int]) -> dict[int, Row]:
        return await self._read(partial(file.rows, self._reader, ids))

    async def changes(self, after: int, until: int, *, limit: int, values: bool) -> list[Row]:
        return await self._read(partial(file.changes, self._reader, after, until, limit, values))

    async def compact(self, compacted: int, until: int, revision: int) -> None:
        await self._write(statements.compact, first_id(compacted + 1), first_id(until + 1), until, revision)
        while await self._write(statements.reclaim):
            pass

    async def size(self) -> int:
        return await self._read(partial(statements.size, self._reader))

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

    def _count(self, unit: Unit) -> None:
        self._groups += 1
        self._rows_written += len(unit.rows)


class ThreadLog(SqliteLog):
    """Written by a thread: nothing to start, for tools and tests."""

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(path, clock)
        self._writing = Worker("store-writer")

    async def open(self) -> Contents:
        self._writing.start()
        return await super().open()

    async def close(self) -> None:
        self._writing.stop()
        await super().close()

    def append(self, unit: Unit, written: Written) -> None:
        self._count(unit)
        self._writing.submit(self._guarded(partial(file.append, self._writer, unit)), written)

    async def _write(self, statement: Callable[..., T], *arguments: Any) -> T:
        return await self._writing.run(self._guarded(partial(statement, self._writer, *arguments)))


class ProcessLog(SqliteLog):
    """Written by a process: for servers, whose event loop it leaves alone."""

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(path, clock)
        self._writing = WriterProcess(path)

    async def open(self) -> Contents:
        contents = await super().open()
        try:
            await self._writing.start(self._lock.descriptor)
        except BaseException:
            await self.close()
            raise
        return contents

    async def close(self) -> None:
        await self._writing.stop()
        await super().close()

    def append(self, unit: Unit, written: Written) -> None:
        self._count(unit)

        def answer(error: BaseException | None, found: Any) -> None:
            written(error, file.by_id(found) if found else {})

        self._writing.submit("append", file.plain(unit), answer)

    async def _write(self, statement: Callable[..., T], *arguments: Any) -> T:
        result: T = await self._writing.run(statement.__name__, *arguments)
        return result


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


class SqliteStore(Engine):
    """`Store` in one file. `retention` says how much history is kept, `quota` how many bytes in all.

    `process` says that a process of its own writes, not a thread.
    """

    def __init__(
        self,
        path: Path | str,
        clock: Clock,
        *,
        retention: Policy | None = None,
        quota: int = QUOTA,
        process: bool = False,
    ) -> None:
        log = ProcessLog(Path(path), clock) if process else ThreadLog(Path(path), clock)
        super().__init__(log, clock, retention=retention, quota=quota)
