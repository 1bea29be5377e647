"""The clients: writers that compare and swap, readers, watchers fast and slow, and one watcher that keeps the log."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Protocol, TypeVar

from sampan.aio.clock import Clock
from sampan.store.errors import Compacted, InvalidCommit, LeaseNotFound, QuotaExceeded, StoreError, Unavailable
from sampan.store.interface import Commit, Compare, Delete, Event, Operation, Put, Range, Watch
from sampan.testing.faults.history import LEASED, Attempt, History, Outcome, Read, Sight

T = TypeVar("T")
KEYS = [f"/k/{n}" for n in range(6)]
EVERYTHING = ("/", "0")
RANGES = (EVERYTHING, ("/k/0", "/k/3"), ("/k/4", "/k/5"))
REFUSED = (QuotaExceeded, InvalidCommit, LeaseNotFound)
"""Errors that say for certain that nothing was written."""


class Served(Protocol):
    """What the clients use of a `Store`; the same over the API has it too."""

    def commit(self, compares: Sequence[Compare], operations: Sequence[Operation]) -> Awaitable[Commit]: ...

    async def range(
        self, start: str, end: str, *, limit: int = 0, revision: int = 0, count_only: bool = False
    ) -> Range: ...

    def watch(self, start: str, end: str, *, from_revision: int, previous: bool = False) -> Watch: ...

    async def lease_grant(self, ttl_s: int) -> int: ...


class Access(Protocol):
    """How clients come to the store, which is another one after a crash; see `targets.target.Target`."""

    single: bool

    def store(self) -> Served:
        """The store to use now; raises `Unavailable` while there is none."""
        ...

    def journal(self) -> Served: ...

    async def reach(self, call: Callable[[Served], Awaitable[T]]) -> T:
        """What the store answers; raises `Unavailable` when it dies meanwhile."""
        ...

    async def following(self, watch: Watch) -> list[Event]: ...


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
        found = await self._access.journal().range(*EVERYTHING)
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
                attempt.outcome = _outcome(commit)
                attempt.revision, attempt.found = commit.revision, commit.found
            attempt.returned = self._history.now()
            await self._learn(attempt, known)
            await self._pause()

    async def _learn(self, attempt: Attempt, known: dict[str, int]) -> None:
        """What the writer's next compares will be."""
        if attempt.outcome == "conflicted" or (self._access.single and attempt.outcome != "succeeded"):
            await self._look(attempt.client, known)
        elif attempt.outcome == "refused":
            known.update((key, item.mod_revision if item else 0) for key, item in attempt.found.items())
        elif attempt.outcome == "succeeded":
            for operation in attempt.operations:
                known[operation.key] = attempt.revision if isinstance(operation, Put) else 0

    async def _look(self, name: str, known: dict[str, int]) -> None:
        read = await self._ranged(name, *EVERYTHING)
        if read is not None:
            known.clear()
            known.update((item.key, item.mod_revision) for item in read.items)

    async def _plan(self, name: str, known: dict[str, int]) -> Attempt:
        if self._access.single:
            return self._plan_single(name, known)
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

    def _plan_single(self, name: str, known: dict[str, int]) -> Attempt:
        """A creation, an update of what was seen, one of whatever there is, or a deletion of what was seen."""
        key = self._rng.choice(KEYS)
        self._number += 1
        put = Put(key, f"{name}:{self._number}".encode())
        compare = Compare(key, known.get(key, 0))
        if compare.mod_revision and self._rng.random() < 0.25:
            return Attempt(name, [compare], [Delete(key)], self._history.now())
        blind = compare.mod_revision and self._rng.random() < 0.2
        return Attempt(name, [] if blind else [compare], [put], self._history.now())

    async def _leased(self, name: str) -> list[Operation]:
        try:
            lease = await self._access.reach(lambda store: store.lease_grant(2))
        except StoreError:
            return []
        return [Put(f"{LEASED}{name}", f"{name}:{self._number}:lease".encode(), lease)]

    async def _read(self, name: str) -> None:
        while not self.stopped:
            read = await self._ranged(name, *self._rng.choice(RANGES))
            await self._pause(2 if read is not None else 1)

    async def _ranged(self, name: str, start: str, end: str) -> Read | None:
        """A read, noted; None when it was not answered."""
        called = self._history.now()
        try:
            found = await self._access.reach(partial(_range, start, end))
        except StoreError:
            return None
        read = Read(name, start, end, called, self._history.now(), found.revision, found.items)
        self._history.reads.append(read)
        return read

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
                if watch.revision < sight.reached:
                    sight.went_back.append(watch.revision)
                sight.reached = watch.revision
                if slow:
                    await self._pause(10)
        finally:
            watch.close()

    async def _next(self, watch: Watch) -> list[Event]:
        try:
            return await self._access.following(watch)
        except StopAsyncIteration:
            raise Unavailable("the store was closed") from None

    async def record(self) -> None:
        """Keeps the log, for ever."""
        while True:
            try:
                watch = self._access.journal().watch(*EVERYTHING, from_revision=self.recorded)
                while True:
                    self._history.log += await self._next(watch)
                    self.recorded = watch.revision
            except Compacted:
                raise
            except StoreError:
                await self._pause()

    async def finish(self) -> None:
        """When all faults are over: reads what is left, writes once more, and waits until the log has that."""
        self.stopped = True
        read = await self._until(lambda: self._ranged("the end", *EVERYTHING))
        mark = await self._until(self._marked)
        while self.recorded < mark.revision:
            await self._clock.sleep(self._pace)
        self._history.final = read
        self._history.complete = self.recorded

    async def _marked(self) -> Attempt | None:
        """A last write, None when it was not acknowledged."""
        self._number += 1
        put = Put("/k/end", b"end:%d" % self._number)
        attempt = Attempt("the end", [Compare("/k/end", 0)], [put], self._history.now())
        self._history.attempts.append(attempt)
        try:
            commit = await self._access.reach(partial(_commit, attempt))
        except StoreError:
            commit = None
        attempt.outcome = _outcome(commit) if commit is not None else "unknown"
        attempt.revision, attempt.returned = commit.revision if commit is not None else 0, self._history.now()
        return attempt if attempt.outcome == "succeeded" else await self._found(attempt)

    async def _found(self, attempt: Attempt) -> Attempt | None:
        """An earlier last write, which was not answered and took place all the same."""
        read = await self._ranged("the end", "/k/end", "/k/end\0")
        if read is None or not read.items:
            return None
        return Attempt("the end", (), (), attempt.called, revision=read.items[0].mod_revision)

    async def _until(self, work: Callable[[], Awaitable[T | None]]) -> T:
        while (result := await work()) is None:
            await self._clock.sleep(self._pace)
        return result


def _outcome(commit: Commit) -> Outcome:
    if commit.succeeded:
        return "succeeded"
    return "refused" if commit.revision else "conflicted"


def _commit(attempt: Attempt, store: Served) -> Awaitable[Commit]:
    return store.commit(attempt.compares, attempt.operations)


def _range(start: str, end: str, store: Served) -> Awaitable[Range]:
    return store.range(start, end)


async def cancelled(tasks: list[asyncio.Task[None]]) -> None:
    """Ends tasks and passes on what went wrong in them."""
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result
