"""Whose turn it is on a busy node: pods that start go before the remains of those that have ended.

To make or to remove a sandbox takes the runtime a dozen processes, and a machine has few processors. So of many pods
that start the first are up while the last wait, and while any starts, few sandboxes are removed at a time. The
containers of an ended pod are gone by then; what waits is its network and its files. Some are always removed, however
many start.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

FEWEST = 4


class SandboxTurns:
    """`making` and `removing` are how many sandboxes may be made and removed at a time, `meanwhile` how many may be
    removed while something starts."""

    def __init__(self, *, making: int, removing: int, meanwhile: int) -> None:
        self._making = asyncio.Semaphore(making)
        self._most = removing
        self._meanwhile = meanwhile
        self._starting = 0
        self._removing = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @classmethod
    def of(cls, cpus: int) -> SandboxTurns:
        """For a machine with so many processors."""
        most = max(FEWEST, 2 * cpus)
        return cls(making=most, removing=most, meanwhile=max(cpus // 2, 1))

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Something starts meanwhile; it does not wait."""
        self._starting += 1
        try:
            yield
        finally:
            self._starting -= 1
            self._let_in()

    @asynccontextmanager
    async def make(self) -> AsyncIterator[None]:
        with self.starting():
            async with self._making:
                yield

    @asynccontextmanager
    async def remove(self) -> AsyncIterator[None]:
        await self._admitted()
        try:
            yield
        finally:
            self._removing -= 1
            self._let_in()

    async def _admitted(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._let_in()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # It had its turn already, and does not use it.
                self._removing -= 1
            self._let_in()
            raise

    def _let_in(self) -> None:
        most = self._meanwhile if self._starting else self._most
        while self._waiting and self._removing < most:
            turn = self._waiting.popleft()
            if not turn.done():
                self._removing += 1
                turn.set_result(None)
