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
from sampan.store.errors import Compacted, FutureRevision, LeaseNotFound, QuotaExceeded, StoreError, Unavailable
from sampan.store.feed import Feed, FeedWatch
from sampan.store.index import Grant, Group, Index, Request, Revoke
from sampan.store.interface import Commit, Compare, KeyValue, Operation, Range
from sampan.store.lease import Deadlines
from sampan.store.log import Contents, Log, Row, empty, first_id, key_value
from sampan.store.quota import Quota
from sampan.store.retention import Policy, Retention

log = logging.getLogger(__name__)
COMPACT_STEPS = (256, 4096)
"""Fewest and most revisions compacted at once: commits wait for milliseconds at most."""
EXPIRY_RETRY_SECONDS = 5.0


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
        self.compacted = 1
        self._clock = clock
        self._policy = retention or Policy()
        self._quota = Quota(quota)
        self._lease_id = lease_id
        self._tasks = TaskOwner("store")
        self._feed = Feed()
        self._deadlines = Deadlines()
        self._queue: list[Request] = []
        self._group: Group | None = None
        self._cut_scheduled = False
        self._idle: asyncio.Future[None] | None = None
        self._refusal: str | None = "the store has not been started"
        self._adopt(empty())

    def _adopt(self, contents: Contents) -> None:
        now = self._clock.monotonic()
        self._index = Index(contents)
        self._compact_done = self.compacted = contents.compacted
        self._retention = Retention(self._policy, revision=contents.revision, now=now)
        self._deadlines.load(contents.leases.items(), now)

    @property
    def revision(self) -> int:
        return self._index.revision

    async def start(self) -> None:
        contents = await self.log.open()
        self._loop = asyncio.get_running_loop()
        self._lease_added, self._compact_wanted = asyncio.Event(), asyncio.Event()
        self._compacting = asyncio.Lock()
        self._adopt(contents)
        self._quota.measured(await self.log.size())
        self._refusal = None
        self._tasks.start(self._expire_leases, name="leases")
        self._tasks.start(self._compact_behind, name="compaction")

    async def close(self) -> None:
        self._refusal = self._refusal or "the store is closed"
        while self._queue or self._group:
            self._idle = self._idle or asyncio.get_running_loop().create_future()
            await asyncio.shield(self._idle)
        await self._tasks.close()
        self._feed.close()
        await self.log.close()

    async def latest(self) -> int:
        return self._index.revision

    # Reads

    async def get(self, key: str, *, revision: int = 0) -> KeyValue | None:
        found = await self.range(key, key + "\0", revision=revision)
        return found.items[0] if found.items else None

    async def range(
        self, start: str, end: str, *, limit: int = 0, revision: int = 0, count_only: bool = False
    ) -> Range:
        self._check_readable(revision)
        while True:
            at, keys, count, ids = await self._find(start, end, limit, revision)
            if count_only:
                return Range((), count > 0, count, at)
            rows = await self.log.rows(ids) if ids else {}
            if len(rows) == len(ids):
                items = [key_value(rows[id_], key) for key, id_ in zip(keys, ids, strict=True)]
                return Range(items, count > len(items), count, at)
            # A row vanishes between finding and reading only when compaction passed the revision meanwhile.
            self._check_readable(revision)

    async def _find(self, start: str, end: str, limit: int, revision: int) -> tuple[int, list[str], int, list[int]]:
        """The revision read, the keys up to the limit, the count of all, and the keys' row ids."""
        index = self._index
        before = await self._undone(revision, start, end) if 0 < revision < index.revision else {}
        if not before:
            keys = index.order.between(start, end, limit)
            return revision or index.revision, keys, index.order.count(start, end), [index.heads[k].id for k in keys]
        present = {key: index.heads[key].id for key in index.order.between(start, end)}
        present.update(before)
        keys = sorted(key for key, id_ in present.items() if id_)
        shown = keys[:limit] if limit else keys
        return revision, shown, len(keys), [present[key] for key in shown]

    async def _undone(self, revision: int, start: str, end: str) -> dict[str, int]:
        """Keys changed after `revision` to their row id at it (0: absent), complete at the moment of return."""
        before: dict[str, int] = {}
        seen = revision
        while seen < (until := self._index.revision):
            rows = await self.log.changes(first_id(seen + 1) - 1, first_id(until + 1), limit=0, values=False)
            for row in rows:
                if start <= row.key < end:
                    before.setdefault(row.key, row.previous)
            seen = until
        self._check_readable(revision)
        return before

    def _check_readable(self, revision: int) -> None:
        self._check_open()
        if revision and revision < self.compacted:
            raise Compacted(self.compacted)
        if revision > self._index.revision:
            raise FutureRevision(revision, self._index.revision)

    def _check_open(self) -> None:
        if self._refusal is not None:
            raise Unavailable(self._refusal)

    def watch(self, start: str, end: str, *, from_revision: int, previous: bool = False) -> FeedWatch:
        self._check_open()
        if from_revision < self.compacted:
            raise Compacted(self.compacted)
        return self._feed.open(self, start, end, from_revision, previous)

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
        self._group = group = self._index.decide(
            requests, previous=self._feed.wants_previous, no_new_keys=self._quota.refusal()
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
        self._index.apply(group)
        if group.unit.rows:
            self._feed.dispatch(group.events(rows), group.revision)
            self._note_written(group)
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

    # History

    def _note_written(self, group: Group) -> None:
        rows = group.unit.rows
        size = sum(len(row.value) + len(row.key) for row in rows if row.value is not None)
        due = self._retention.wrote(size, group.revision, self._clock.monotonic())
        self._quota.wrote(size, len(rows))
        if self._quota.doubtful:
            due = group.revision
        if due is not None and due > self.compacted:
            self.compacted = due
            self._compact_wanted.set()

    async def compact(self, revision: int) -> None:
        self._check_open()
        if revision <= self.compacted:
            raise Compacted(self.compacted)
        if revision > self._index.revision:
            raise FutureRevision(revision, self._index.revision)
        self.compacted = revision
        await self._compact_log()

    async def _compact_behind(self) -> None:
        while True:
            await self._compact_wanted.wait()
            self._compact_wanted.clear()
            try:
                await self._compact_log()
                self._quota.measured(await self.log.size())
            except StoreError as error:
                log.warning("compaction failed and will be tried again after later writes error=%s", error)

    async def _compact_log(self) -> None:
        """Removes from the log what `compacted` allows at the call, step by step between commits."""
        async with self._compacting:
            target = self.compacted
            while self._compact_done < target:
                until = min(self._compact_done + compact_step(target - self._compact_done), target)
                await self.log.compact(self._compact_done, until, self._index.revision)
                self._compact_done = until

    # Leases

    async def lease_grant(self, ttl_s: int) -> int:
        lease = self._lease_id()
        await self._enqueue((), (Grant(lease, ttl_s),))
        self._deadlines.set(lease, self._clock.monotonic() + ttl_s)
        self._lease_added.set()
        return lease

    async def lease_renew(self, lease: int) -> int:
        self._check_open()
        seconds = self._index.leases.get(lease)
        if seconds is None or lease not in self._deadlines:
            raise LeaseNotFound(lease)
        self._deadlines.set(lease, self._clock.monotonic() + seconds)
        return seconds

    async def lease_revoke(self, lease: int) -> None:
        await self._enqueue((), (Revoke(lease),))
        self._deadlines.drop(lease)

    async def _expire_leases(self) -> None:
        while True:
            for lease in self._deadlines.expired(self._clock.monotonic()):
                self._deadlines.drop(lease)
                await self._expire(lease)
            self._lease_added.clear()
            remaining = self._deadlines.until_next(self._clock.monotonic())
            try:
                await self._clock.wait_for(self._lease_added.wait(), remaining)
            except TimeoutError:
                continue

    async def _expire(self, lease: int) -> None:
        try:
            await self._enqueue((), (Revoke(lease),))
        except QuotaExceeded as error:
            log.warning("lease could not be ended and will be tried again lease=%d error=%s", lease, error)
            self._deadlines.set(lease, self._clock.monotonic() + EXPIRY_RETRY_SECONDS)
        except (LeaseNotFound, Unavailable) as error:
            log.debug("lease was not ended lease=%d error=%s", lease, error)

    def statistics(self) -> dict[str, Any]:
        index = self._index
        return {
            "revision": index.revision,
            "compacted": self.compacted,
            "keys": len(index.heads),
            "leases": len(index.leases),
            "watches": len(self._feed),
            "queued": len(self._queue),
            **self.log.statistics(),
        }


def compact_step(backlog: int) -> int:
    """Revisions to compact at once: more for a larger backlog, so that no rate of writes outruns compaction."""
    least, most = COMPACT_STEPS
    return min(max(backlog // 4, least), most)
