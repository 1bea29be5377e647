"""Keys that are not to come again too soon: how long each has still to wait."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from sampan.aio.clock import Clock

K = TypeVar("K", bound=Hashable)


class Spacing(Generic[K]):
    """Forgets a key once its time has come, so it holds no more than what came of late."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: OrderedDict[K, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._due)

    def note(self, key: K, seconds: float) -> None:
        """The key has come: it is due again after so many seconds."""
        now = self._clock.monotonic()
        self._due.pop(key, None)
        if seconds > 0:
            self._due[key] = now + seconds
        while self._due and next(iter(self._due.values())) <= now:
            self._due.popitem(last=False)

    def left(self, key: K) -> float:
        """Seconds until the key is due; 0 when it is."""
        due = self._due.get(key)
        return 0.0 if due is None else max(0.0, due - self._clock.monotonic())
