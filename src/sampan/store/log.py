"""The seam between the engine, which decides, and where rows are kept.

A store's data is a log of *rows*, one per change of a key. A row's id holds its revision and its position within the
commit, so ids are the global order of changes. Each row names the row it replaced (`previous`), which makes history
cheap without any second index: the state at revision R is the present state, undone by the first change of each key
after R; and compaction to C removes what rows up to C replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from sampan.store.interface import KeyValue

SHIFT = 16
"""Bits of a row id that count within a commit: `MAX_OPERATIONS` needs 7, the end of a lease as many as it has keys."""


class Row(NamedTuple):
    """One change of one key; `value` None is a deletion, `previous` 0 means that the key did not exist before."""

    id: int
    key: str
    create_revision: int
    version: int
    lease: int
    previous: int
    value: bytes | None

    @property
    def revision(self) -> int:
        return self.id >> SHIFT


def key_value(row: Row, key: str | None = None) -> KeyValue:
    """The row as its reader sees it; `key`, when given, is the same text as an object that is shared."""
    assert row.value is not None, "a deletion has no value"
    return KeyValue(key or row.key, row.value, row.create_revision, row.id >> SHIFT, row.version, row.lease)


def first_id(revision: int) -> int:
    return revision << SHIFT


class Head(NamedTuple):
    """A living key's newest row, without its value."""

    id: int
    create_revision: int
    version: int
    lease: int

    @property
    def mod_revision(self) -> int:
        return self.id >> SHIFT


class Contents(msgspec.Struct):
    """What a log held when it was opened: the living keys' heads, and the leases' seconds by id."""

    revision: int
    compacted: int
    heads: dict[str, Head]
    leases: dict[int, int]


def empty() -> Contents:
    """What a new log holds: etcd's first revision is 1 too."""
    return Contents(1, 1, {}, {})


class Unit(msgspec.Struct):
    """What is to be written as one unit: rows, leases (seconds, or None to remove), and ids to read afterwards."""

    rows: list[Row]
    leases: dict[int, int | None]
    reads: set[int]


Written = Callable[[BaseException | None, dict[int, Row]], None]


class Log(Protocol):
    """Keeps rows. Called from one event loop; `append` is called only when the one before has been answered."""

    async def open(self) -> Contents: ...

    async def close(self) -> None: ...

    def append(self, unit: Unit, written: Written) -> None:
        """Makes the unit durable, then calls `written(error, rows read)` on the event loop."""
        ...

    async def rows(self, ids: Sequence[int]) -> dict[int, Row]:
        """The rows with these ids that still exist."""
        ...

    async def changes(self, after: int, until: int, *, limit: int, values: bool) -> list[Row]:
        """Rows with `after < id < until` in order, at most `limit` (0: all). Without `values` a value reads b""."""
        ...

    async def compact(self, compacted: int, until: int, revision: int) -> None:
        """Removes what rows of revisions in `(compacted, until]` replaced, and those of them that are deletions."""
        ...

    async def size(self) -> int:
        """Bytes the rows take."""
        ...

    def statistics(self) -> dict[str, Any]: ...
