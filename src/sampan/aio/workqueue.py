"""A queue of keys to work on, with the three promises every controller leans on.

1. A key added several times before a worker takes it is handed out once.
2. A key is never with two workers at once: added while being worked on, it comes again after `done`.
3. A key that failed comes back after a delay that grows with its failures, and does not block the others.

The meaning is client-go's `workqueue`; waiting uses the clock it is given.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from typing import Any, Generic, TypeVar

from sampan.aio.backoff import Backoff, ItemBackoff
from sampan.aio.clock import Clock

K = TypeVar("K", bound=Hashable)


class QueueClosed(Exception):
    """Raised by `get` once the queue is closed."""


class WorkQueue(Generic[K]):
    def __init__(self, clock: Clock, backoff: Backoff) -> None:
        self._clock = clock
        self._items: ItemBackoff[K] = ItemBackoff(backoff)
        self._ready: deque[K] = deque()
        self._waiting_to_run: set[K] = set()
        self._running: set[K] = set()
        self._timers: dict[K, tuple[float, asyncio.Task[None]]] = {}
        self._getters: deque[asyncio.Future[None]] = deque()
        self._closed = False

    def add(self, key: K) -> None:
        """Asks for the key to be worked on, now."""
        if self._closed or key in self._waiting_to_run:
            return
        self._waiting_to_run.add(key)
        if key not in self._running:
            self._offer(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Asks for the key in `seconds`; of several such requests the earliest holds."""
        if self._closed:
            return
        if seconds <= 0:
            self.add(key)
            return
        due = self._clock.monotonic() + seconds
        earlier = self._timers.get(key)
        if earlier is not None:
            if earlier[0] <= due:
                return
            earlier[1].cancel()
        task = asyncio.get_running_loop().create_task(self._later(key, seconds), name=f"workqueue delay {key}")
        self._timers[key] = (due, task)

    def add_rate_limited(self, key: K) -> None:
        """Asks for a key that just failed, after its back-off."""
        self.add_after(key, self._items.failed(key))

    def forget(self, key: K) -> None:
        """The key succeeded: its next failure waits the base delay again."""
        self._items.forget(key)

    def failures(self, key: K) -> int:
        return self._items.failures(key)

    async def get(self) -> K:
        """The next key; the caller owes a `done` for it. Raises QueueClosed."""
        while not self._ready:
            if self._closed:
                raise QueueClosed
            waiter = asyncio.get_running_loop().create_future()
            self._getters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                self._pass_on(waiter)
                raise
        key = self._ready.popleft()
        self._waiting_to_run.discard(key)
        self._running.add(key)
        return key

    def done(self, key: K) -> None:
        """The worker has finished with the key, well or not."""
        self._running.discard(key)
        if key in self._waiting_to_run:
            self._offer(key)

    def close(self) -> None:
        """Wakes every waiting worker with QueueClosed and drops what is delayed."""
        self._closed = True
        for _, task in self._timers.values():
            task.cancel()
        self._timers.clear()
        for waiter in self._getters:
            if not waiter.done():
                waiter.set_result(None)

    def __len__(self) -> int:
        return len(self._ready)

    def statistics(self) -> dict[str, Any]:
        return {"ready": len(self._ready), "running": len(self._running), "delayed": len(self._timers)}

    def _offer(self, key: K) -> None:
        self._ready.append(key)
        self._wake_one()

    def _wake_one(self) -> None:
        while self._getters:
            waiter = self._getters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _pass_on(self, waiter: asyncio.Future[None]) -> None:
        """A cancelled worker that had been woken hands the wake-up to another."""
        if waiter in self._getters:
            self._getters.remove(waiter)
        elif self._ready:
            self._wake_one()

    async def _later(self, key: K, seconds: float) -> None:
        await self._clock.sleep(seconds)
        del self._timers[key]
        self.add(key)
