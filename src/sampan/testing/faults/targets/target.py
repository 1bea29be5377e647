"""What all targets have in common: a store that may die and be succeeded by another, and named faults."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

from sampan.aio.clock import Clock
from sampan.store.errors import Compacted, StoreError, Unavailable
from sampan.store.interface import Commit, Event, Put, Store, Watch
from sampan.testing.faults.history import Attempt, History
from sampan.testing.faults.workload import Served

T = TypeVar("T")
Fault = Callable[[random.Random], Awaitable[None]]


class Target(Protocol):
    """A place where stores live. `pace` is the seconds of `clock` that a client waits between calls, at most."""

    pace: float
    hurts: int
    """How many faults a run has, unless they are named."""
    single: bool
    """Whether commits are of one key, with a compare of it or none, and without leases."""
    compactable: Callable[[], int]
    """Up to which revision history may be compacted; set by who runs it."""
    history: History
    """Where faults note what they write themselves; set by who runs it."""

    @property
    def clock(self) -> Clock: ...

    @property
    def faults(self) -> Mapping[str, Fault]: ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def heal(self) -> None:
        """Ends what faults have left, so that a store can be reached again."""
        ...

    def store(self) -> Served: ...

    def journal(self) -> Served:
        """Where the log is kept; the store itself, unless what clients see of it lies behind something else."""
        ...

    async def reach(self, call: Callable[[Served], Awaitable[T]]) -> T: ...

    async def following(self, watch: Watch) -> list[Event]:
        """A watch's next events; raises `Unavailable` when its store dies meanwhile."""
        ...


class Incarnations:
    """The store of the moment; calls to one that dies are answered by `Unavailable`, whatever became of them."""

    hurts = 8
    single = False

    def __init__(self) -> None:
        self._store: Store | None = None
        self._died: asyncio.Future[None] | None = None
        self.compactable: Callable[[], int] = lambda: 0
        self.history = History()
        self._written = 0

    def live(self, store: Store) -> None:
        self._store, self._died = store, asyncio.get_running_loop().create_future()

    def die(self) -> Any:
        """Nobody reaches the store any more, which is handed out for disposal."""
        store, self._store = self._store, None
        if self._died is not None and not self._died.done():
            self._died.set_result(None)
        return store

    def store(self) -> Store:
        if self._store is None:
            raise Unavailable("the store is dead")
        return self._store

    def journal(self) -> Store:
        return self.store()

    async def following(self, watch: Watch) -> list[Event]:
        return await self.reach(lambda store: watch.__anext__())

    async def reach(self, call: Callable[[Store], Awaitable[T]]) -> T:
        store, died = self.store(), self._died
        assert died is not None, "a live store has an end to come"
        task: asyncio.Future[T] = asyncio.ensure_future(call(store))
        try:
            waited: set[asyncio.Future[Any]] = {task, died}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise Unavailable("the store died")
        finally:
            task.cancel()
            if task.done() and not task.cancelled():
                task.exception()

    def write(self, client: str) -> Awaitable[Commit]:
        """A commit by a fault, the outcome of which nobody looks at."""
        self._written += 1
        put = Put(f"/k/{client}", b"%s:%d" % (client.encode(), self._written))
        self.history.attempts.append(Attempt(client, (), (put,), self.history.now(), outcome="unknown"))
        return self.store().commit((), (put,))

    async def compaction(self, rng: random.Random) -> None:
        """History goes, up to some moment that the log has seen, whoever is slow to read it."""
        revision = self.compactable()
        try:
            await self.reach(lambda store: store.compact(max(1, revision - rng.choice((0, 0, 3, 20)))))
        except (Compacted, StoreError):
            return
