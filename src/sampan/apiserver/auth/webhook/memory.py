"""Answers kept for a time, bounded in number: the oldest go first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")
MOST = 8192


class Memory(Generic[V]):
    """`now` is a monotonic clock, in seconds."""

    def __init__(self, now: Callable[[], float], most: int = MOST) -> None:
        self._now = now
        self._most = most
        self._kept: OrderedDict[Hashable, tuple[float, V]] = OrderedDict()

    def get(self, key: Hashable) -> V | None:
        """What was kept and is not over."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept[0] <= self._now():
            del self._kept[key]
            return None
        return kept[1]

    def keep(self, key: Hashable, value: V, seconds: float) -> None:
        """Zero seconds or less: not at all."""
        if seconds <= 0:
            return
        self._kept[key] = self._now() + seconds, value
        self._kept.move_to_end(key)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
