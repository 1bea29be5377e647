"""The statements by themselves: what a failed write leaves, and that the plan is the intended one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.store.errors import Corrupt, QuotaExceeded, Unavailable
from sampan.store.log import Row, Unit, first_id
from sampan.store.sqlite import file, schema, statements


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    writer, reader = file.open_file(path)
    yield writer
    reader.close()
    writer.close()


def unit(revisions: range, size: int = 100) -> Unit:
    return Unit([Row(first_id(n), f"/{n}", n, 1, 0, 0, b"v" * size) for n in revisions], {}, set())


@pytest.mark.parametrize("rows", [1, statements.ROWS_AT_ONCE, statements.ROWS_AT_ONCE * 3 + 1])
def test_a_unit_is_written_whole_or_not_at_all(connection: sqlite3.Connection, path: Path, rows: int) -> None:
    file.append(connection, unit(range(2, 3)))
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(sqlite3.OperationalError) as error:
        file.append(connection, unit(range(3, 3 + rows), 100_000))
    assert isinstance(schema.translated(error.value, path), QuotaExceeded)
    assert not connection.in_transaction
    assert set(file.contents(connection).heads) == {"/2"}
    connection.execute("PRAGMA max_page_count = 1000000")
    file.append(connection, unit(range(3, 3 + rows)))
    assert file.contents(connection).revision == 2 + rows


def test_sqlites_errors_as_the_stores(path: Path) -> None:
    def translated(name: str) -> type:
        error = sqlite3.OperationalError("detail")
        error.sqlite_errorname = name
        return type(schema.translated(error, path))

    assert translated("SQLITE_FULL") is QuotaExceeded
    assert translated("SQLITE_CORRUPT_INDEX") is translated("SQLITE_NOTADB") is Corrupt
    assert translated("SQLITE_IOERR_FSYNC") is translated("SQLITE_BUSY") is translated("SQLITE_CANTOPEN") is Unavailable


def test_no_statement_reads_the_whole_log(connection: sqlite3.Connection) -> None:
    statements = []
    connection.set_trace_callback(statements.append)
    file.append(connection, unit(range(2, 10)))
    file.rows(connection, [first_id(3), first_id(5)])
    file.changes(connection, first_id(3), first_id(6), 10, True)
    file.compact(connection, 1, 5, 9)
    connection.set_trace_callback(None)
    for statement in statements:
        if " log " in statement and not statement.startswith("INSERT"):
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
            assert not [step for step in plan if step.startswith("SCAN log")], statement


def test_the_file_is_its_owners_alone(connection: sqlite3.Connection, path: Path) -> None:
    file.append(connection, unit(range(2, 3)))
    modes = {each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
    assert modes == {0o600}


def test_the_files_form(connection: sqlite3.Connection) -> None:
    def pragma(name: str) -> object:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]

    assert [pragma(name) for name in ("journal_mode", "synchronous", "auto_vacuum")] == ["wal", 2, 2]
