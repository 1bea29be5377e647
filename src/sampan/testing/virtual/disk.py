"""A store whose commits are slow, refused, or done with the answer lost, by a seed.

It outlives the API servers over it: `close` leaves the inner store open, so that a server that is started again finds
what the one before it wrote.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any

from sampan.aio.clock import Clock
from sampan.store.errors import Unavailable
from sampan.store.interface import Commit, Compare, Operation, Store


@dataclass(frozen=True, kw_only=True)
class StoreFaults:
    """Shares are of 1, of commits: `refused` do nothing, `unanswered` are done and reported as failed.
    `late_seconds` is the most that a commit takes."""

    refused: float = 0.0
    unanswered: float = 0.0
    late_seconds: float = 0.0

    @classmethod
    def drawn(cls, rng: random.Random) -> StoreFaults:
        """Some faults, for a run of many seeds: each kind is there in half of them."""
        share = lambda most: rng.random() * most if rng.random() < 0.5 else 0.0  # noqa: E731
        return cls(refused=share(0.1), unanswered=share(0.1), late_seconds=share(0.5))


CALM = StoreFaults()


class FaultyStore:
    """A `Store` over another, which its owner starts and closes; `faults` may be changed while it runs."""

    def __init__(self, inner: Store, clock: Clock, rng: random.Random, faults: StoreFaults = CALM) -> None:
        self._inner = inner
        self._clock = clock
        self._rng = rng
        self.faults = faults

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def start(self) -> None:
        """The inner store runs already."""

    async def close(self) -> None:
        """The inner store goes on."""

    def commit(self, compares: Sequence[Compare], operations: Sequence[Operation]) -> Awaitable[Commit]:
        if self.faults == CALM:
            return self._inner.commit(compares, operations)
        return self._commit(compares, operations)

    async def _commit(self, compares: Sequence[Compare], operations: Sequence[Operation]) -> Commit:
        faults = self.faults
        if self._rng.random() < faults.refused:
            raise Unavailable("refused (injected)")
        if faults.late_seconds:
            await self._clock.sleep(self._rng.random() * faults.late_seconds)
        commit = await self._inner.commit(compares, operations)
        if self._rng.random() < faults.unanswered:
            raise Unavailable("the answer was lost (injected)")
        return commit
