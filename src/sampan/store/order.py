"""Keys in order, sorted only when someone asks.

Writes come one by one and mostly nobody lists between them, so a change is noted (one set insertion) and the sorted
list is mended on the next question: by bisection when few keys changed, by one sort (Timsort: linear on what is
already sorted) when many did.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Container

FEW = 32


class SortedKeys:
    """The keys of `members` in order; whoever changes which keys `members` has says so by `changed(key)`."""

    __slots__ = ("_changed", "_keys", "_members")

    def __init__(self, members: Container[str]) -> None:
        self._members = members
        self._keys: list[str] = []
        self._changed: set[str] = set()

    def changed(self, key: str) -> None:
        self._changed.add(key)

    def between(self, start: str, end: str, limit: int = 0) -> list[str]:
        """Keys in `[start, end)`, at most `limit` (0: all)."""
        first, last = self.bounds(start, end)
        return self._keys[first : min(last, first + limit) if limit else last]

    def count(self, start: str, end: str) -> int:
        first, last = self.bounds(start, end)
        return last - first

    def bounds(self, start: str, end: str) -> tuple[int, int]:
        if self._changed:
            self._mend()
        return bisect_left(self._keys, start), bisect_left(self._keys, end)

    def _mend(self) -> None:
        if len(self._changed) > FEW:
            self._sort()
        else:
            for key in self._changed:
                self._place(key)
        self._changed.clear()

    def _place(self, key: str) -> None:
        position = bisect_left(self._keys, key)
        present = position < len(self._keys) and self._keys[position] == key
        if present and key not in self._members:
            del self._keys[position]
        elif not present and key in self._members:
            insort(self._keys, key)

    def _sort(self) -> None:
        kept = [key for key in self._keys if key not in self._changed]
        kept += [key for key in self._changed if key in self._members]
        kept.sort()
        self._keys = kept
