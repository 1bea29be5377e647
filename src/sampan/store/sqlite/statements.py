"""The log's statements, on plain rows: what a writer or a reader does with its connection. Blocking.

Only the standard library is imported here, because this is all that the writer's process needs to hold (`writer`).

A group is written by one statement with as many rows as it has: such a statement is a transaction of its own, so the
fsync is within the same call.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

COLUMNS = "id, key, create_revision, version, lease, previous, value"
WIDTH = 7
"""Values of a row."""
ROWS_AT_ONCE = 64
IDS_AT_ONCE = 256
FREE_PAGES = 1024
RECLAIMED_PAGES = 256

Plain = tuple[int, str, int, int, int, int, bytes | None]
"""A row, as `sampan.store.log.Row` has it."""


@lru_cache
def insertion(rows: int) -> str:
    return f"INSERT INTO log VALUES {','.join(['(?,?,?,?,?,?,?)'] * rows)}"


@lru_cache
def selection(ids: int) -> str:
    return f"SELECT {COLUMNS} FROM log WHERE id IN ({','.join('?' * ids)})"


def append(
    connection: sqlite3.Connection, values: Sequence[Any], leases: Mapping[int, int | None], reads: Iterable[int]
) -> list[Plain]:
    """Writes rows, given as their values one row after the other, and leases (None: remove) durably and as one unit;
    then answers the rows with the ids in `reads`."""
    if 0 < len(values) <= ROWS_AT_ONCE * WIDTH and not leases:
        connection.execute(insertion(len(values) // WIDTH), values)
    elif values or leases:
        with Transaction(connection):
            _insert(connection, values)
            _change_leases(connection, leases)
    return list(rows(connection, reads)) if reads else []


def _insert(connection: sqlite3.Connection, values: Sequence[Any]) -> None:
    step = ROWS_AT_ONCE * WIDTH
    for start in range(0, len(values), step):
        part = values[start : start + step]
        connection.execute(insertion(len(part) // WIDTH), part)


def _change_leases(connection: sqlite3.Connection, leases: Mapping[int, int | None]) -> None:
    for lease, seconds in leases.items():
        if seconds is None:
            connection.execute("DELETE FROM lease WHERE id = ?", (lease,))
        else:
            connection.execute("INSERT OR REPLACE INTO lease VALUES (?, ?)", (lease, seconds))


def rows(connection: sqlite3.Connection, ids: Iterable[int]) -> Iterable[Plain]:
    """The rows that exist, read in the order in which they lie in the file."""
    ordered = sorted(ids)
    for start in range(0, len(ordered), IDS_AT_ONCE):
        part = ordered[start : start + IDS_AT_ONCE]
        yield from connection.execute(selection(len(part)), part)


def changes(connection: sqlite3.Connection, after: int, until: int, limit: int, values: bool) -> Iterable[Plain]:
    """Rows with `after < id < until` in order, at most `limit` (0: all); without `values` a value reads b""."""
    columns = COLUMNS if values else COLUMNS.replace("value", "iif(value IS NULL, NULL, x'')")
    query = f"SELECT {columns} FROM log WHERE id > ? AND id < ? ORDER BY id LIMIT ?"
    return connection.execute(query, (after, until, limit or -1))


def compact(connection: sqlite3.Connection, start: int, end: int, until: int, revision: int) -> None:
    """One step of compaction, in one transaction: ids in `[start, end)` are those of revisions up to `until`."""
    span = (start, end)
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
    if pragma(connection, "freelist_count") <= max(FREE_PAGES, pragma(connection, "page_count") // 4):
        return False
    connection.execute(f"PRAGMA incremental_vacuum({RECLAIMED_PAGES})").fetchall()
    return True


def size(connection: sqlite3.Connection) -> int:
    """Bytes of the file that hold data."""
    pages = pragma(connection, "page_count") - pragma(connection, "freelist_count")
    return pages * pragma(connection, "page_size")


def pragma(connection: sqlite3.Connection, name: str) -> int:
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
