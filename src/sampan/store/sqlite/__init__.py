"""The embedded store: one SQLite file, one writer thread, one reader thread. See `store` for the theory."""

from __future__ import annotations

from sampan.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
