"""A resource's latest changes, for watchers that come back and readers of the recent past.

Bounded by count and by the bytes of states that only history still holds. Trimmed in slices, so that keeping the bound
costs little per change.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from operator import attrgetter

from sampan.store.cache.event import Change

CHANGES = 16_384
SIZE = 8 << 20
KEPT = 0.75


class History:
    """Changes in order; `floor` is the revision after which none is missing."""

    def __init__(self, floor: int, *, changes: int = CHANGES, size: int = SIZE) -> None:
        self.floor = floor
        self._limit, self._size_limit = changes, size
        self._changes: list[Change] = []
        self._size = 0

    def __len__(self) -> int:
        return len(self._changes)

    def add(self, change: Change) -> None:
        self._changes.append(change)
        if change.old is not None:
            self._size += len(change.old.data)
        if len(self._changes) > self._limit or self._size > self._size_limit:
            self._trim()

    def since(self, revision: int) -> Sequence[Change]:
        """Changes later than `revision`, which is not below `floor`."""
        if not self._changes or revision >= self._changes[-1].revision:
            return ()
        return self._changes[bisect_right(self._changes, revision, key=attrgetter("revision")) :]

    def _trim(self) -> None:
        dropped = 0
        size = self._size
        while len(self._changes) - dropped > self._limit * KEPT or size > self._size_limit * KEPT:
            old = self._changes[dropped].old
            size -= len(old.data) if old is not None else 0
            dropped += 1
        # All changes of one commit leave together, or `floor` would promise what is gone.
        floor = self._changes[dropped - 1].revision
        while dropped < len(self._changes) and self._changes[dropped].revision == floor:
            old = self._changes[dropped].old
            size -= len(old.data) if old is not None else 0
            dropped += 1
        self.floor, self._size = floor, size
        del self._changes[:dropped]
