"""The clients: writers that compare and swap, readers, watchers fast and slow, and one watcher that keeps the log."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Protocol, TypeVar

from sampan.aio.clock import Clock
from sampan.store.errors import Compacted, InvalidCommit, LeaseNotFound, QuotaExceeded, StoreError, Unavailable
from sampan.store.interface import Commit, Compare, Delete, Event, Operation, Put, Range, Store, Watch
from sampan.testing.faults.history import LEASED, Attempt, History, Read, Sight

T = TypeVar("T")
KEYS = [f"/k/{n}" for n in range(6)]
EVERYTHING = ("/", "0")
RANGES = (EVERYTHING, ("/k/0", "/k/3"), ("/k/4", "/k/5"))
REFUSED = (QuotaExceeded, InvalidCommit, LeaseNotFound)
"""Errors that say for certain that nothing was written."""


class Access(Protocol):
    """How clients come to the store, which is another one after a crash."""

    def store(self) -> Store:
        """The store to use now; raises `Unavailable` while there is none."""
        ...

    async def reach(self, call: Callable[[Store], Awaitable[T]]) -> T:
        """What the store answers; raises `Unavailable` when it dies meanwhile."""
        ...


class Workload:
    """Clients of `access` until `stop`; what they see goes into `history`."""

    def __init__(self, access: Access, history: History, clock: Clock, rng: random.Random, *, pace: float) -> None:
        self._access = access
        self._history = history
        self._clock = clock
        self._rng = rng
        self._pace = pace
        self._number = 0
        self.stopped = False
        self.recorded = 0
        """The revision up to which the log is complete; nothing later may be compacted."""

    async def begin(self) -> None:
        """Reads where the history starts."""
        found = await self._access.reach(lambda store: store.range(*EVERYTHING))
        self._history.base = self.recorded = found.revision
        self._history.initial = {item.key: item for item in found.items}

    def clients(self, writers: int, readers: int, watchers: int) -> list[Coroutine[None, None, None]]:
        return [
            *(self._write(f"writer-{n}") for n in range(writers)),
            *(self._read(f"reader-{n}") for n in range(readers)),
            *(self._watch(f"watcher-{n}", *RANGES[n % len(RANGES)], slow=n % 2 == 1) for n in range(watchers)),
        ]

    async def _pause(self, factor: float = 1.0) -> None:
        await self._clock.sleep(self._rng.random() * self._pace * factor)

    # Writers and readers

    async def _write(self, name: str) -> None:
        known: dict[str, int] = {}
        while not self.stopped:
            attempt = await self._plan(name, known)
            self._history.attempts.append(attempt)
            try:
                commit = await self._access.reach(partial(_commit, attempt))
            except REFUSED:
                attempt.outcome = "failed"
            except StoreError:
                attempt.outcome = "unknown"
                known.clear()
            else:
                attempt.outcome = "succeeded" if commit.succeeded else "refused"
                attempt.revision, attempt.found = commit.revision, commit.found
                self._learn(attempt, known)
            attempt.returned = self._history.now()
            await self._pause()

    def _learn(self, attempt: Attempt, known: dict[str, int]) -> None:
        if attempt.outcome == "refused":
            known.update((key, item.mod_revision if item else 0) for key, item in attempt.found.items())
            return
        for operation in attempt.operations:
            known[operation.key] = attempt.revision if isinstance(operation, Put) else 0

    async def _plan(self, name: str, known: dict[str, int]) -> Attempt:
        chosen = self._rng.sample(KEYS, self._rng.randint(1, 3))
        self._number += 1
        operations: list[Operation] = [Put(chosen[0], f"{name}:{self._number}".encode())]
        operations += [
            Delete(key) if self._rng.random() < 0.6 else Put(key, f"{name}:{self._number}:{n}".encode())
            for n, key in enumerate(chosen[1:])
        ]
        if self._rng.random() < 0.1:
            operations += await self._leased(name)
        compares = [Compare(key, known.get(key, 0)) for key in chosen if self._rng.random() < 0.7]
        return Attempt(name, compares, operations, self._history.now())

    async def _leased(self, name: str) -> list[Operation]:
        try:
            lease = await self._access.reach(lambda store: store.lease_grant(2))
        except StoreError:
            return []
        return [Put(f"{LEASED}{name}", f"{name}:{self._number}:lease".encode(), lease)]

    async def _read(self, name: str) -> None:
        while not self.stopped:
            start, end = self._rng.choice(RANGES)
            called = self._history.now()
            try:
                found = await self._access.reach(partial(_range, start, end))
            except StoreError:
                await self._pause()
                continue
            read = Read(name, start, end, called, self._history.now(), found.revision, found.items)
            self._history.reads.append(read)
            await self._pause(2)

    # Watchers

    async def _watch(self, name: str, start: str, end: str, *, slow: bool) -> None:
        while not self.stopped:
            try:
                at = (await self._access.reach(lambda store: store.range(start, end, count_only=True))).revision
            except StoreError:
                await self._pause()
                continue
            sight = Sight(name, start, end, at, at)
            self._history.sights.append(sight)
            await self._follow(sight, slow=slow)

    async def _follow(self, sight: Sight, *, slow: bool) -> None:
        """Until the history is gone or the run is over; a broken watch goes on where it was."""
        while not self.stopped:
            try:
                await self._take(sight, slow=slow)
            except Compacted:
                return
            except StoreError:
                await self._pause()

    async def _take(self, sight: Sight, *, slow: bool) -> None:
        watch = self._access.store().watch(sight.start, sight.end, from_revision=sight.reached)
        try:
            while not self.stopped:
                events = await self._next(watch)
                sight.events += events
                sight.reached = watch.revision
                if slow:
                    await self._pause(10)
        finally:
            watch.close()

    async def _next(self, watch: Watch) -> list[Event]:
        try:
            return await self._access.reach(lambda store: watch.__anext__())
        except StopAsyncIteration:
            raise Unavailable("the store was closed") from None

    async def record(self) -> None:
        """Keeps the log, for ever."""
        while True:
            try:
                watch = self._access.store().watch(*EVERYTHING, from_revision=self.recorded)
                while True:
                    self._history.log += await self._next(watch)
                    self.recorded = watch.revision
            except Compacted:
                raise
            except StoreError:
                await self._pause()

    async def finish(self) -> None:
        """When all faults are over: waits until the log is complete, and reads what is left."""
        self.stopped = True
        while True:
            try:
                mark = await self._access.reach(lambda store: store.range(*EVERYTHING))
                break
            except StoreError:
                await self._clock.sleep(self._pace)
        while self.recorded < mark.revision:
            await self._clock.sleep(self._pace)
        moment = self._history.now()
        self._history.final = Read("the end", *EVERYTHING, moment, moment, mark.revision, mark.items)


def _commit(attempt: Attempt, store: Store) -> Awaitable[Commit]:
    return store.commit(attempt.compares, attempt.operations)


def _range(start: str, end: str, store: Store) -> Awaitable[Range]:
    return store.range(start, end)


async def cancelled(tasks: list[asyncio.Task[None]]) -> None:
    """Ends tasks and passes on what went wrong in them."""
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result
