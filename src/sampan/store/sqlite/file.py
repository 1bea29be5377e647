"""The log's statements: what the threads do with their connection. Blocking; no event loop here.

A group is written by one statement with as many rows as it has, because each statement costs two hand-overs of the
interpreter's lock. Such a statement is a transaction of its own, so the fsync is within the same call.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path

from sampan.store.log import SHIFT, Contents, Head, Row, Unit, first_id
from sampan.store.sqlite import schema

COLUMNS = "id, key, create_revision, version, lease, previous, value"
ROWS_AT_ONCE = 64
IDS_AT_ONCE = 256
FREE_PAGES = 1024
RECLAIMED_PAGES = 256


@lru_cache
def insertion(rows: int) -> str:
    return f"INSERT INTO log VALUES {','.join(['(?,?,?,?,?,?,?)'] * rows)}"


@lru_cache
def selection(ids: int) -> str:
    return f"SELECT {COLUMNS} FROM log WHERE id IN ({','.join('?' * ids)})"


def contents(connection: sqlite3.Connection) -> Contents:
    """Reads the living keys' heads: the last row of each key that is no deletion."""
    meta = dict(connection.execute("SELECT name, value FROM meta"))
    heads: dict[str, Head] = {}
    last = 0
    query = "SELECT id, key, create_revision, version, lease, value IS NULL FROM log ORDER BY id"
    for last, key, create_revision, version, lease, deleted in connection.execute(query):
        if deleted:
            heads.pop(key, None)
        else:
            heads[key] = Head(last, create_revision, version, lease)
    revision = max(meta.get("revision", 1), last >> SHIFT)
    leases = dict(connection.execute("SELECT id, seconds FROM lease"))
    return Contents(revision, meta.get("compacted", 1), heads, leases)


def append(connection: sqlite3.Connection, unit: Unit) -> dict[int, Row]:
    """Writes the unit durably, and answers the rows it asks to read."""
    if 0 < len(unit.rows) <= ROWS_AT_ONCE and not unit.leases:
        connection.execute(insertion(len(unit.rows)), list(chain.from_iterable(unit.rows)))
    elif unit.rows or unit.leases:
        with Transaction(connection):
            _insert(connection, unit.rows)
            _change_leases(connection, unit.leases)
    return rows(connection, unit.reads) if unit.reads else {}


def _insert(connection: sqlite3.Connection, new: Sequence[Row]) -> None:
    for start in range(0, len(new), ROWS_AT_ONCE):
        part = new[start : start + ROWS_AT_ONCE]
        connection.execute(insertion(len(part)), list(chain.from_iterable(part)))


def _change_leases(connection: sqlite3.Connection, leases: dict[int, int | None]) -> None:
    for lease, seconds in leases.items():
        if seconds is None:
            connection.execute("DELETE FROM lease WHERE id = ?", (lease,))
        else:
            connection.execute("INSERT OR REPLACE INTO lease VALUES (?, ?)", (lease, seconds))


def rows(connection: sqlite3.Connection, ids: Iterable[int]) -> dict[int, Row]:
    """The rows that exist, by id; read in the order in which they lie in the file."""
    ordered = sorted(ids)
    found: dict[int, Row] = {}
    for start in range(0, len(ordered), IDS_AT_ONCE):
        part = ordered[start : start + IDS_AT_ONCE]
        for row in connection.execute(selection(len(part)), part):
            found[row[0]] = Row._make(row)
    return found


def changes(connection: sqlite3.Connection, after: int, until: int, limit: int, values: bool) -> list[Row]:
    columns = COLUMNS if values else COLUMNS.replace("value", "iif(value IS NULL, NULL, x'')")
    query = f"SELECT {columns} FROM log WHERE id > ? AND id < ? ORDER BY id LIMIT ?"
    return [Row._make(row) for row in connection.execute(query, (after, until, limit or -1))]


def compact(connection: sqlite3.Connection, compacted: int, until: int, revision: int) -> None:
    """One step of compaction, in one transaction."""
    span = (first_id(compacted + 1), first_id(until + 1))
    with Transaction(connection):
        connection.execute(
            "DELETE FROM log WHERE id IN (SELECT previous FROM log WHERE id >= ? AND id < ? AND previous > 0)", span
        )
        connection.execute("DELETE FROM log WHERE id >= ? AND id < ? AND value IS NULL", span)
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('compacted', ?), ('revision', ?)", (until, revision))


def reclaim(connection: sqlite3.Connection) -> bool:
    """Gives some free pages back to the file system if there are more than later writes will soon use; whether it did.

    Moving pages costs writes, so up to a quarter of the file may stay free.
    """
    if _pragma(connection, "freelist_count") <= max(FREE_PAGES, _pragma(connection, "page_count") // 4):
        return False
    connection.execute(f"PRAGMA incremental_vacuum({RECLAIMED_PAGES})").fetchall()
    return True


def size(connection: sqlite3.Connection) -> int:
    """Bytes of the file that hold data."""
    pages = _pragma(connection, "page_count") - _pragma(connection, "freelist_count")
    return pages * _pragma(connection, "page_size")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


class Transaction:
    """BEGIN, and COMMIT or ROLLBACK."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._connection.execute("COMMIT")
        elif self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def open_file(path: Path) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """The writer's and the reader's connection to a file that has passed the checks.

    The file, which holds secrets, is its owner's alone; SQLite gives its log the same mode.
    """
    path.touch(0o600)
    writer = schema.connect(path)
    try:
        schema.prepare(writer, path)
        reader = schema.connect(path, read_only=True)
    except BaseException:
        writer.close()
        raise
    return writer, reader
