"""The file's form: tables, pragmas, and the checks a file must pass before it is used.

`log` is append-only but for compaction; its primary key is the row id of `sampan.store.log`. Values stand last, so that
reading the other columns does not read a large value's pages. Journal in WAL mode with `synchronous=FULL`: a commit is
one append to the write-ahead log and one fsync of it. `auto_vacuum=INCREMENTAL` lets freed pages be given back to the
file system while running.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sampan.store.errors import Corrupt, QuotaExceeded, StoreError, Unavailable

APPLICATION_ID = 0x53414D50
"""'SAMP', in the file's header (https://www.sqlite.org/fileformat.html#application_id)."""
VERSION = 1
CHECKED_SIZE = 256 << 20
"""Files up to this many bytes are checked page by page when opened; larger ones as far as they are read."""
WAL_PAGES = 1000
TABLES = """
CREATE TABLE IF NOT EXISTS log (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    create_revision INTEGER NOT NULL,
    version INTEGER NOT NULL,
    lease INTEGER NOT NULL,
    previous INTEGER NOT NULL,
    value BLOB
) STRICT;
CREATE TABLE IF NOT EXISTS lease (id INTEGER PRIMARY KEY, seconds INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
"""


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode, usable from any one thread at a time."""
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, cached_statements=256)


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Checks the file and brings it into form; raises `Corrupt` with what to do."""
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    version = check_version(connection, path)
    connection.execute("PRAGMA journal_mode = WAL")
    durable(connection)
    if version == 0:
        connection.executescript(TABLES)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
    elif path.stat().st_size <= CHECKED_SIZE:
        check(connection, path)


def durable(connection: sqlite3.Connection) -> None:
    """What a writer's connection has to be told, each one anew."""
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_PAGES * 4096 * 2}")


def check_version(connection: sqlite3.Connection, path: Path) -> int:
    """The file's version, 0 for a new one; raises `Corrupt` for one that this program does not know."""
    version = _version(connection, path)
    if version > VERSION:
        raise Corrupt(
            f"{path} was written by a newer Sampan (format {version}, this one knows {VERSION}): "
            "use that version, or restore a backup made by this one"
        )
    return version


def _version(connection: sqlite3.Connection, path: Path) -> int:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if application != APPLICATION_ID and tables:
        raise Corrupt(f"{path} is an SQLite file but no Sampan store: give another path, or move it away")
    return int(connection.execute("PRAGMA user_version").fetchone()[0]) if application == APPLICATION_ID else 0


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Raises `Corrupt` when SQLite finds the file's pages damaged."""
    found = [row[0] for row in connection.execute("PRAGMA quick_check(5)")]
    if found != ["ok"]:
        raise Corrupt(f"{path} is damaged ({'; '.join(found)}): {ADVICE}")


ADVICE = "move it and its -wal and -shm files away and restore a backup with `sampan restore`"


def translated(error: sqlite3.Error, path: Path) -> StoreError:
    """The store error that an SQLite error means."""
    return meant(getattr(error, "sqlite_errorname", "") or "", str(error), path)


def meant(name: str, error: str, path: Path) -> StoreError:
    """As `translated`, by the error's SQLite name ("" where it has none) and its text."""
    if name.startswith("SQLITE_FULL"):
        return QuotaExceeded(f"no space left for {path}: free some on that file system; reads still work")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return Corrupt(f"{path} is damaged ({error}): {ADVICE}")
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")):
        return Unavailable(f"{path} cannot be opened for writing ({error}): check that its folder exists and is yours")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Unavailable(f"{path} is locked by another program ({error}): end it, or give another path")
    return Unavailable(f"{path}: {error}")
