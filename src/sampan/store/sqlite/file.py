"""The statements of `statements` on the log's own types, and opening a file. Blocking; no event loop here."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

from sampan.store.log import SHIFT, Contents, Head, Row, Unit, first_id
from sampan.store.sqlite import schema, statements


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


def plain(unit: Unit) -> tuple[Any, ...]:
    """The arguments of `statements.append` that stand for a unit."""
    return list(chain.from_iterable(unit.rows)), unit.leases, list(unit.reads)


def by_id(found: Iterable[statements.Plain]) -> dict[int, Row]:
    return {row[0]: Row._make(row) for row in found}


def append(connection: sqlite3.Connection, unit: Unit) -> dict[int, Row]:
    """Writes the unit durably, and answers the rows it asks to read."""
    return by_id(statements.append(connection, *plain(unit)))


def rows(connection: sqlite3.Connection, ids: Iterable[int]) -> dict[int, Row]:
    """The rows that exist, by id."""
    return by_id(statements.rows(connection, ids))


def changes(connection: sqlite3.Connection, after: int, until: int, limit: int, values: bool) -> list[Row]:
    return [Row._make(row) for row in statements.changes(connection, after, until, limit, values)]


def compact(connection: sqlite3.Connection, compacted: int, until: int, revision: int) -> None:
    """One step of compaction: what rows of revisions in `(compacted, until]` replaced goes."""
    statements.compact(connection, first_id(compacted + 1), first_id(until + 1), until, revision)


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
