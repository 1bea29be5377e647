"""Taking a backup: all keys as of one revision, page by page, while the store serves."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

from sampan import __version__
from sampan.aio.clock import Clock, timestamp
from sampan.store.backup.format import Header, Reader, Record, Writer, record
from sampan.store.errors import Corrupt, Unavailable
from sampan.store.interface import Store
from sampan.store.log import Row, key_value
from sampan.store.sqlite import file, schema

PAGE = 1000
EVERYTHING = ("", "\U0010ffff")


class Source(Protocol):
    """Something to take a backup of."""

    name: str

    async def revision(self) -> int:
        """The present one."""
        ...

    def pages(self) -> AsyncIterator[tuple[int, Sequence[Record]]]:
        """The keys in order, each page with the revision they are all read at; at least one page."""
        ...


class StoreSource:
    """A store that this process has open."""

    def __init__(self, store: Store, name: str) -> None:
        self.name = name
        self._store = store

    async def revision(self) -> int:
        return await self._store.latest()

    async def pages(self) -> AsyncIterator[tuple[int, Sequence[Record]]]:
        start, end = EVERYTHING
        revision = 0
        while True:
            page = await self._store.range(start, end, limit=PAGE, revision=revision)
            revision = page.revision
            yield revision, [record(item) for item in page.items]
            if not page.more:
                return
            start = page.items[-1].key + "\0"


class FileSource:
    """An SQLite store's file, which another process may have open and write to.

    The state is that of one read transaction; what is written meanwhile goes on to the write-ahead log.
    """

    def __init__(self, path: Path) -> None:
        self.name = "sqlite"
        self._path = path

    async def revision(self) -> int:
        revision, _ = await anext(self.pages())
        return revision

    async def pages(self) -> AsyncIterator[tuple[int, Sequence[Record]]]:
        try:
            with closing(await asyncio.to_thread(self._open)) as connection:
                contents = await asyncio.to_thread(file.contents, connection)
                ids = [head.id for _, head in sorted(contents.heads.items())]
                for start in range(0, max(len(ids), 1), PAGE):
                    part = ids[start : start + PAGE]
                    rows: dict[int, Row] = await asyncio.to_thread(file.rows, connection, part)
                    yield contents.revision, [record(key_value(rows[id_])) for id_ in part]
        except sqlite3.Error as error:
            raise schema.translated(error, self._path) from error

    def _open(self) -> sqlite3.Connection:
        if not self._path.exists():
            raise Unavailable(f"there is no store at {self._path}: name the --data-dir of the cluster")
        connection = schema.connect(self._path, read_only=True)
        try:
            schema.check_version(connection, self._path)
            connection.execute("BEGIN")
        except BaseException:
            connection.close()
            raise
        return connection


async def save(source: Source, path: Path, clock: Clock) -> Reader:
    """Writes a backup to `path`, and reads it once more to be sure; raises as the source does, or OSError."""
    pages = source.pages()
    revision, records = await anext(pages)
    header = Header(revision, timestamp(clock.now()), f"sampan {__version__}", source.name)
    with Writer(path, header) as writer:
        writer.add(records)
        async for at, records in pages:
            if at != revision:
                raise Corrupt(f"the store answered for revision {at} when asked for {revision}")
            await asyncio.to_thread(writer.add, records)
    reader = Reader(path)
    await asyncio.to_thread(reader.check)
    return reader
