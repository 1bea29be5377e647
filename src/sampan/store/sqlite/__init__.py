"""The embedded store: one SQLite file, one writer, one reader thread. See `store` for the theory.

`SqliteStore` is imported when it is first asked for: the writer's process needs a few modules of this folder and must
stay small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sampan.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]


def __getattr__(name: str) -> Any:
    if name != "SqliteStore":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sampan.store.sqlite.store import SqliteStore

    return SqliteStore
