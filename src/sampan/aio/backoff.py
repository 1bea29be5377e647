"""How long to wait before trying again: doubling from a base to a cap, with jitter from a given source."""

from __future__ import annotations

import random
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """`base` seconds after the first failure, doubled by each further one, never above `cap` seconds.

    `jitter` is the greatest fraction added at random (0.1 adds up to a tenth), so that many clients spread out.
    """

    base: float
    cap: float
    rng: random.Random
    jitter: float = 0.0

    def delay(self, failures: int) -> float:
        """Seconds to wait after that many failures in a row (1 for the first)."""
        exponent = min(max(failures - 1, 0), 60)
        return min(self.base * 2.0**exponent, self.cap) * (1 + self.jitter * self.rng.random())


class ItemBackoff(Generic[K]):
    """A failure count for each key; forgotten when the key succeeds."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._failures: dict[K, int] = {}

    def failed(self, key: K) -> float:
        """Counts one more failure and returns the seconds to wait."""
        self._failures[key] = failures = self._failures.get(key, 0) + 1
        return self._backoff.delay(failures)

    def failures(self, key: K) -> int:
        return self._failures.get(key, 0)

    def forget(self, key: K) -> None:
        self._failures.pop(key, None)
