"""The engine under the memory and the SQLite store: group commit on the event loop, over a `Log`.

One group is in flight at a time. Commits called while it is being written queue up, and become the next group the
moment it is done; a commit that finds nothing in flight waits for the end of the loop's tick, so that its neighbours of
the same tick join it. One fsync so serves all who wait, and the load sets the size of the groups by itself.

When a group is on disk, in this order and without a pause: its changes become the index's state, its events go to the
watches, its futures resolve. The loop runs what became ready in that order, which is why a reader who saw an
acknowledgement finds the change in whatever follows a watch.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.store import reader
from sampan.store.compaction import Compactor
from sampan.store.errors import Compacted, LeaseNotFound, QuotaExceeded, Unavailable
from sampan.store.feed import Feed, FeedWatch
from sampan.store.index import Grant, Group, Index, Request, Revoke
from sampan.store.interface import Commit, Compare, KeyValue, Operation, Range
from sampan.store.lease import Deadlines
from sampan.store.log import Log, Row, empty
from sampan.store.retention import Policy

log = logging.getLogger(__name__)


class Engine:
    """Implements `Store` over a log.

    `quota` limits its size in bytes (0: no limit); `lease_id` makes new leases' ids (etcd's are random numbers too).
    """

    local = True

    def __init__(
        self,
        journal: Log,
        clock: Clock,
        *,
        retention: Policy | None = None,
        quota: int = 0,
        lease_id: Callable[[], int] = lambda: secrets.randbits(62) + 1,
    ) -> None:
        self.log = journal
        self.index = Index(empty())
        self._lease_id = lease_id
        self._tasks = TaskOwner("store")
        self._feed = Feed()
        self._compactor = Compactor(journal, clock, policy=retention or Policy(), quota=quota)
        self._deadlines = Deadlines(clock, lambda lease: self._enqueue((), (Revoke(lease),)))
        self._queue: list[Request] = []
        self._group: Group | None = None
        self._cut_scheduled = False
        self._idle: asyncio.Future[None] | None = None
        self._refusal: str | None = "the store has not been started"
        self._broken = asyncio.Event()

    @property
    def revision(self) -> int:
        return self.index.revision

    @property
    def compacted(self) -> int:
        """The oldest revision that can be read."""
        return self._compactor.compacted

    async def start(self) -> None:
        contents = await self.log.open()
        self._loop = asyncio.get_running_loop()
        self.index = Index(contents)
        self._deadlines.start(contents.leases)
        await self._compactor.start(contents)
        self._refusal = None
        self._tasks.start(self._deadlines.run, name="leases")
        self._tasks.start(self._compactor.run, name="compaction")

    async def close(self) -> None:
        self._refusal = self._refusal or "the store is closed"
        while self._queue or self._group:
            self._idle = self._idle or asyncio.get_running_loop().create_future()
            await asyncio.shield(self._idle)
        await self._tasks.close()
        self._feed.close()
        await self.log.close()

    def _check_open(self) -> None:
        if self._refusal is not None:
            raise Unavailable(self._refusal)

    # Reads

    async def latest(self) -> int:
        return self.index.revision

    async def get(self, key: str, *, revision: int = 0) -> KeyValue | None:
        found = await self.range(key, key + "\0", revision=revision)
        return found.items[0] if found.items else None

    async def range(
        self, start: str, end: str, *, limit: int = 0, revision: int = 0, count_only: bool = False
    ) -> Range:
        self._check_open()
        return await reader.read(self, start, end, limit, revision, count_only)

    def watch(self, start: str, end: str, *, from_revision: int, previous: bool = False) -> FeedWatch:
        self._check_open()
        if from_revision < self.compacted:
            raise Compacted(self.compacted)
        return self._feed.open(self, start, end, from_revision, previous)

    async def compact(self, revision: int) -> None:
        self._check_open()
        reader.check(self, revision)
        if revision == self.compacted:
            raise Compacted(revision)
        await self._compactor.to(revision)

    # Commits

    def commit(self, compares: Sequence[Compare], operations: Sequence[Operation]) -> Awaitable[Commit]:
        return self._enqueue(compares, operations)

    def _enqueue(
        self, compares: Sequence[Compare], operations: Sequence[Operation | Grant | Revoke]
    ) -> asyncio.Future[Commit]:
        self._check_open()
        future: asyncio.Future[Commit] = self._loop.create_future()
        self._queue.append(Request(compares, operations, future))
        if self._group is None and not self._cut_scheduled:
            self._cut_scheduled = True
            self._loop.call_soon(self._cut)
        return future

    def _cut(self) -> None:
        """Makes what has queued the group in flight."""
        self._cut_scheduled = False
        requests, self._queue = self._queue, []
        self._group = group = self.index.decide(
            requests, previous=self._feed.wants_previous, no_new_keys=self._compactor.no_new_keys()
        )
        if group.is_read_only():
            self._written(None, {})
        else:
            self.log.append(group.unit, self._written)

    def _written(self, error: BaseException | None, rows: dict[int, Row]) -> None:
        group, self._group = self._group, None
        assert group is not None, "the log answers each unit once"
        if error is None:
            self._acknowledge(group, rows)
        else:
            self._fail(group, error)
        if self._queue:
            if not self._cut_scheduled:
                self._cut()
        elif self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _acknowledge(self, group: Group, rows: dict[int, Row]) -> None:
        self.index.apply(group)
        if group.unit.rows:
            self._feed.dispatch(group.events(rows), group.revision)
            self._compactor.wrote(group.unit.rows, group.revision)
        for outcome in group.outcomes:
            future = outcome.request.future
            if future.done():
                continue
            if outcome.error is None:
                future.set_result(outcome.commit(rows))
            else:
                future.set_exception(outcome.error)

    def _fail(self, group: Group, error: BaseException) -> None:
        if not isinstance(error, QuotaExceeded):
            # After a failed write the disk's state is unknown: only opening the file anew can tell.
            self._refusal = f"the store stopped after a failed write and must be restarted: {error}"
            self._broken.set()
            log.error("store failed error=%s", error)
            self._feed.close(Unavailable(self._refusal))
        waiting = [outcome.request for outcome in group.outcomes]
        if self._refusal is not None:
            waiting += self._queue
            self._queue = []
        kind = QuotaExceeded if isinstance(error, QuotaExceeded) else Unavailable
        for request in waiting:
            if not request.future.done():
                request.future.set_exception(kind(str(error)))

    # Leases

    async def lease_grant(self, ttl_s: int) -> int:
        lease = self._lease_id()
        await self._enqueue((), (Grant(lease, ttl_s),))
        self._deadlines.set(lease, ttl_s)
        return lease

    async def lease_renew(self, lease: int) -> int:
        self._check_open()
        seconds = self.index.leases.get(lease)
        if seconds is None or lease not in self._deadlines:
            raise LeaseNotFound(lease)
        self._deadlines.set(lease, seconds)
        return seconds

    async def lease_revoke(self, lease: int) -> None:
        await self._enqueue((), (Revoke(lease),))
        self._deadlines.drop(lease)

    async def broken(self) -> str:
        await self._broken.wait()
        return self._refusal or ""

    def statistics(self) -> dict[str, Any]:
        return {
            "revision": self.revision,
            "compacted": self.compacted,
            "keys": len(self.index.heads),
            "leases": len(self.index.leases),
            "watches": len(self._feed),
            "queued": len(self._queue),
            **self.log.statistics(),
        }
