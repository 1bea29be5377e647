"""Ranges, now and in the past, from the index and the log.

The present is in the index. The past is the present undone: for each key, the first change after the revision names the
row that it replaced. Either way the row ids are found first and then read, so a range costs what it returns.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from sampan.store.errors import Compacted, FutureRevision
from sampan.store.index import Index
from sampan.store.interface import KeyValue, Range
from sampan.store.log import Log, first_id, key_value


class Source(Protocol):
    """What the reader needs of the engine."""

    log: Log

    @property
    def index(self) -> Index: ...

    @property
    def compacted(self) -> int: ...


class Found(NamedTuple):
    """The keys of a range up to its limit, their row ids, and how many there are in all, at `revision`."""

    revision: int
    keys: list[str]
    ids: list[int]
    total: int


async def read(source: Source, start: str, end: str, limit: int, revision: int, count_only: bool) -> Range:
    """`Store.range`."""
    check(source, revision)
    while True:
        found = await _find(source, start, end, limit, revision)
        if count_only:
            return Range((), found.total > 0, found.total, found.revision)
        rows = await source.log.rows(found.ids) if found.ids else {}
        if len(rows) == len(found.ids):
            items: list[KeyValue] = [key_value(rows[id_], key) for key, id_ in zip(found.keys, found.ids, strict=True)]
            return Range(items, found.total > len(items), found.total, found.revision)
        # A row vanishes between finding and reading only when compaction passed the revision meanwhile.
        check(source, revision)


def check(source: Source, revision: int) -> None:
    """Raises `Compacted` or `FutureRevision` when there is no state of `revision` to be read; 0 is the present."""
    if revision and revision < source.compacted:
        raise Compacted(source.compacted)
    if revision > source.index.revision:
        raise FutureRevision(revision, source.index.revision)


async def _find(source: Source, start: str, end: str, limit: int, revision: int) -> Found:
    index = source.index
    before = await _undone(source, revision, start, end) if 0 < revision < index.revision else {}
    if not before:
        keys = index.order.between(start, end, limit)
        ids = [index.heads[key].id for key in keys]
        return Found(revision or index.revision, keys, ids, index.order.count(start, end))
    state = {key: index.heads[key].id for key in index.order.between(start, end)} | before
    keys = sorted(key for key, id_ in state.items() if id_)
    shown = keys[:limit] if limit else keys
    return Found(revision, shown, [state[key] for key in shown], len(keys))


async def _undone(source: Source, revision: int, start: str, end: str) -> dict[str, int]:
    """Keys changed after `revision` to their row id at it (0: absent), complete at the moment of return."""
    before: dict[str, int] = {}
    while revision < (until := source.index.revision):
        rows = await source.log.changes(first_id(revision + 1) - 1, first_id(until + 1), limit=0, values=False)
        for row in rows:
            if start <= row.key < end:
                before.setdefault(row.key, row.previous)
        check(source, revision)
        revision = until
    return before
