"""Commits in call order where it matters: those that name a common key or lease one after another, others side by side.

etcd decides requests in the order in which they reach its log, which for requests sent at one moment is any order. One
at a time would be slow: etcd, too, writes what waits with one fsync.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterable


class Turn:
    """A place in the order: wait for it, and end it."""

    def __init__(self, sequence: Sequence, names: Iterable[Hashable], before: list[asyncio.Future[None]]) -> None:
        self._sequence = sequence
        self._names = names
        self._before = before
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def come(self) -> None:
        for future in self._before:
            if not future.done():
                await asyncio.shield(future)

    def end(self) -> None:
        self._sequence.forget(self, self._names)
        if not self.done.done():
            self.done.set_result(None)


class Sequence:
    def __init__(self) -> None:
        self._last: dict[Hashable, Turn] = {}

    def take(self, names: Iterable[Hashable]) -> Turn:
        """The turn after all that were taken with one of these names."""
        wanted = dict.fromkeys(names)
        before = [turn.done for turn in dict.fromkeys(self._last[name] for name in wanted if name in self._last)]
        turn = Turn(self, wanted, before)
        for name in wanted:
            self._last[name] = turn
        return turn

    def forget(self, turn: Turn, names: Iterable[Hashable]) -> None:
        for name in names:
            if self._last.get(name) is turn:
                del self._last[name]
