"""What one client's watch reads from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from sampan.store.cache.event import Batch, joined

MOST_BYTES = 16 << 20


class Feeder(Protocol):
    """What gives a watcher its events."""

    @property
    def revision(self) -> int: ...

    def remove(self, watcher: Watcher) -> None: ...


class Watcher:
    """Batches of events for one reader: iterate it, or `take()` whenever `ready` calls.

    Holds at most `limit` events, and `MOST_BYTES` of objects, that came while the reader was away (what it was opened
    with is not counted); more ends the watch with the reason "overflow", and the client begins anew from the last
    revision it saw. Reasons:
    "closed" (by the reader), "overflow", "stale" (the cache had to start over; the client should list again).
    """

    __slots__ = (
        "__weakref__",
        "_bytes",
        "_feeder",
        "_limit",
        "_pending",
        "_ready",
        "_sent",
        "_size",
        "_waiter",
        "reason",
    )

    def __init__(
        self, feeder: Feeder, *, sent: int, backlog: Batch | None, limit: int, ready: Callable[[], None] | None
    ) -> None:
        self.reason: str | None = None
        self._feeder = feeder
        self._limit = limit
        self._pending: list[Batch] = [backlog] if backlog else []
        self._ready = ready
        self._sent = sent
        self._size = self._bytes = 0
        self._waiter: asyncio.Future[None] | None = None

    def push(self, batch: Batch) -> None:
        """Called by the feeder."""
        if self.reason is not None:
            return
        self._size += len(batch.events)
        self._bytes += batch.size
        if self._size > self._limit or (self._pending and self._bytes > MOST_BYTES):
            self.close("overflow")
            return
        self._pending.append(batch)
        if len(self._pending) == 1:
            self._wake()

    def take(self) -> Batch | None:
        """Everything pending as one batch, None when there is nothing."""
        if not self._pending:
            return None
        batch, self._pending = joined(self._pending), []
        self._size = self._bytes = 0
        self._sent = max(self._sent, batch.events[-1].entry.revision)
        return batch

    def bookmark(self) -> int:
        """The revision a BOOKMARK may carry now: every event up to it has been taken."""
        return self._sent if self._pending else max(self._sent, self._feeder.revision)

    def close(self, reason: str = "closed") -> None:
        """Ends the watch; what was pending is dropped."""
        if self.reason is None:
            self.abandon(reason)
            self._wake()

    def abandon(self, reason: str) -> None:
        """Ends the watch without a word to its reader, whose `ready` failed."""
        self.reason = reason
        self._pending = []
        self._feeder.remove(self)

    def __aiter__(self) -> Watcher:
        return self

    async def __anext__(self) -> Batch:
        while self.reason is None:
            if (batch := await self.next()) is not None:
                return batch
        raise StopAsyncIteration

    async def next(self) -> Batch | None:
        """The next batch, or None when the watch has ended (see `reason`) or somebody called `nudge`.

        Who waits for a deadline too lets a timer nudge, which spares the task that a timeout around each call makes.
        """
        if self.reason is None and not self._pending:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self.take()

    def nudge(self) -> None:
        """Makes a waiting `next` return."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _wake(self) -> None:
        if self._ready is not None:
            self._ready()
        else:
            self.nudge()
