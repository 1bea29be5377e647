"""A store that lives as long as its process: for simulation and tests."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

from sampan.aio.clock import Clock, SystemClock
from sampan.store.engine import Engine
from sampan.store.log import Contents, Row, Unit, Written, empty, first_id
from sampan.store.retention import Policy


class MemoryLog:
    """Rows in a dict; their ids in a list, which is purged of compacted ones when these are the larger part."""

    def __init__(self) -> None:
        self._rows: dict[int, Row] = {}
        self._ids: list[int] = []

    async def open(self) -> Contents:
        return empty()

    async def close(self) -> None:
        pass

    def append(self, unit: Unit, written: Written) -> None:
        for row in unit.rows:
            self._rows[row.id] = row
            self._ids.append(row.id)
        written(None, self._present(unit.reads))

    async def rows(self, ids: Sequence[int]) -> dict[int, Row]:
        return self._present(ids)

    async def changes(self, after: int, until: int, *, limit: int, values: bool) -> list[Row]:
        ids = self._ids[bisect_right(self._ids, after) : bisect_left(self._ids, until)]
        rows = list(self._present(ids).values())
        return rows[:limit] if limit else rows

    async def compact(self, compacted: int, until: int, revision: int) -> None:
        first, last = bisect_left(self._ids, first_id(compacted + 1)), bisect_left(self._ids, first_id(until + 1))
        for row in self._present(self._ids[first:last]).values():
            self._rows.pop(row.previous, None)
            if row.value is None:
                self._rows.pop(row.id, None)
        if len(self._ids) > 2 * len(self._rows):
            self._ids = [id_ for id_ in self._ids if id_ in self._rows]

    def _present(self, ids: Sequence[int] | set[int]) -> dict[int, Row]:
        return {id_: self._rows[id_] for id_ in ids if id_ in self._rows}

    async def size(self) -> int:
        return sum(len(row.key) + len(row.value or b"") for row in self._rows.values())

    def statistics(self) -> dict[str, Any]:
        return {"kind": "memory", "rows": len(self._rows)}


class MemoryStore(Engine):
    """`Store` in memory; without a clock, leases go by the machine's."""

    def __init__(self, clock: Clock | None = None, *, retention: Policy | None = None, quota: int = 0) -> None:
        super().__init__(MemoryLog(), clock or SystemClock(), retention=retention, quota=quota)
