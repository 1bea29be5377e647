"""`EtcdStore`: etcd behind the store's Protocol.

Commits are etcd transactions and reads are linearizable reads, so both mean the same whichever member answers; watches
of one process share one etcd watch (`trunk`). What etcd acknowledged is in the log of a majority of its members.

A commit that was sent and not answered raises `Unavailable`, and may or may not have taken place; all else is tried at
the other endpoints, for as long as a call may take. While etcd is away, watches wait and go on where they were.

Leases are etcd's own and end by its leader's clock. With a prefix, others may use the same etcd; history, however, is
one for all, so give `retention` (whose `size` etcd has no use for) only when nobody else compacts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from sampan.aio.clock import Clock
from sampan.aio.grpc import RpcError, TooLarge
from sampan.aio.tasks import TaskOwner
from sampan.store.errors import Compacted, FutureRevision, InvalidCommit, LeaseNotFound, StoreError, Unavailable
from sampan.store.etcd import failures, sequence
from sampan.store.etcd.compaction import Compaction
from sampan.store.etcd.connection import Connection
from sampan.store.etcd.member import Credentials, Member
from sampan.store.etcd.messages import END, FIRST, RESERVED, Keyspace, pb
from sampan.store.etcd.stream import Stream
from sampan.store.etcd.trunk import Trunk
from sampan.store.etcd.watch import EtcdWatch
from sampan.store.feed import Feed
from sampan.store.interface import MAX_OPERATIONS, Commit, Compare, KeyValue, Operation, Put, Range
from sampan.store.retention import Policy

log = logging.getLogger(__name__)
T = TypeVar("T")
BEAT = RESERVED + "beat"
CALL_SECONDS = 10.0
"""More than etcd's own limit of about seven for deciding a request."""
COMPACT_SECONDS = 300.0
PAGE, FEWER = 4096, 16
"""Keys asked for at once, and the part of them that is asked for when that is too much for one answer."""
PATIENCE_SECONDS = 0.02
CLOSED = "the store is closed"


class Outcome(NamedTuple, Generic[T]):
    """What a commit came to, at which revision, and whether that is certainly the store's own."""

    result: T
    revision: int
    changed: bool


class EtcdStore:
    """`Store` on the etcd cluster at `endpoints`, in the keys that begin with `prefix`.

    `seconds` is how long a call may take before it raises `Unavailable`; `retention` None leaves compaction to others.
    `patience` is how many seconds an event may take before its revision is thought to be that of other users of etcd.
    `member` makes the way to one endpoint: a simulated network gives its own.
    """

    local = False

    def __init__(
        self,
        endpoints: Sequence[str],
        clock: Clock,
        *,
        prefix: str = "",
        credentials: Credentials | None = None,
        retention: Policy | None = None,
        seconds: float = CALL_SECONDS,
        patience: float = PATIENCE_SECONDS,
        member: Callable[[str, Credentials, Clock], Member] = Member,
    ) -> None:
        self._keyspace = Keyspace(prefix)
        self._clock = clock
        self._connection = Connection(endpoints, credentials or Credentials(), clock, seconds=seconds, member=member)
        self._retention = retention
        self._patience = patience
        self._feed = Feed()
        self._trunk = Trunk(self._feed, clock, open=self._stream, now=self._now, present=self._present, fail=self._fail)
        self._sequence = sequence.Sequence()
        self._tasks = TaskOwner("etcd")
        self._commits: dict[asyncio.Task[None], None] = {}
        self._asked = 0
        self._asking: list[asyncio.Future[int]] = []
        """Who wants to know etcd's revision."""
        self._question: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[Any] | None = None
        self._refusal: str | None = "the store has not been started"

    @property
    def revision(self) -> int:
        return self._trunk.revision

    async def start(self) -> None:
        try:
            await self._connection.open()
            self._trunk.begin(await self._present())
        except BaseException:
            await self._connection.close()
            raise
        self._refusal = None
        self._tasks.start(self._trunk.run, name="trunk")
        if self._retention is not None:
            self._tasks.start(self._compaction(self._retention).run, name="compaction")

    async def close(self) -> None:
        self._refusal = self._refusal or CLOSED
        while self._commits:
            await asyncio.wait(self._commits)
        reads = [task for task in (self._question, self._beating) if task is not None]
        for task in reads:
            task.cancel()
        await asyncio.gather(*reads, return_exceptions=True)
        _refuse(self._asking, Unavailable(CLOSED))
        self._asking, self._beating = [], None
        await self._tasks.close()
        self._trunk.release()
        self._feed.close()
        await self._connection.close()

    def _fail(self, reason: str) -> None:
        log.error("store failed error=%s", reason)
        self._refusal = reason
        self._feed.close(Unavailable(reason))
        self._trunk.release()

    def _check_open(self) -> None:
        if self._refusal is not None:
            raise Unavailable(self._refusal)

    # Reads

    async def latest(self) -> int:
        """See `Store`. Calls that wait at one moment share one question to etcd, asked after the last of them."""
        self._check_open()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        self._asking.append(future)
        if self._question is None:
            self._question = loop.create_task(self._ask(), name="etcd/latest")
        return await future

    async def _ask(self) -> None:
        """Asks as long as somebody wants to know; who comes while a question is under way waits for the next."""
        try:
            while self._asking:
                await asyncio.sleep(0)
                asking, self._asking = self._asking, []
                await self._answer(asking)
        finally:
            self._question = None

    async def _answer(self, asking: list[asyncio.Future[int]]) -> None:
        self._asked += 1
        try:
            revision = await self._now()
        except asyncio.CancelledError:
            _refuse(asking, Unavailable(CLOSED))
            raise
        except Exception as error:
            _refuse(asking, error)
            return
        if revision > self.revision:
            self._see_past(revision)
        for future in asking:
            if not future.done():
                future.set_result(revision)

    async def _now(self) -> int:
        """etcd's present revision."""
        request = pb.RangeRequest(key=self._keyspace.key(BEAT), count_only=True)
        return int((await self._call("range", request, repeatable=True)).header.revision)

    async def _present(self) -> int:
        """The present revision, made an event of the store's own where others may have made it."""
        return await self._beat() if self._keyspace.prefix else await self._now()

    async def _beat(self) -> int:
        request = pb.PutRequest(key=self._keyspace.key(BEAT))
        return int((await self._call("put", request, repeatable=True)).header.revision)

    def _see_past(self, revision: int) -> None:
        """Sees to it that the trunk comes to a revision which may be none of the store's."""
        if self._keyspace.prefix and (self._beating is None or self._beating.done()):
            self._beating = asyncio.get_running_loop().create_task(self._beat_until(revision))

    async def _beat_until(self, revision: int) -> None:
        try:
            await self._clock.wait_for(self._trunk.reached(revision), self._patience)
        except TimeoutError:
            try:
                await self._trunk.reached(await self._beat())
            except StoreError as error:
                log.warning("could not see past others' revisions revision=%d error=%s", revision, error)

    async def get(self, key: str, *, revision: int = 0) -> KeyValue | None:
        self._check_open()
        return await self._get(key, revision)

    async def _get(self, key: str, revision: int = 0) -> KeyValue | None:
        request = pb.RangeRequest(key=self._keyspace.key(key), revision=revision)
        kvs = (await self._read(request)).kvs
        return self._keyspace.key_value(kvs[0]) if kvs else None

    async def range(
        self, start: str, end: str, *, limit: int = 0, revision: int = 0, count_only: bool = False
    ) -> Range:
        self._check_open()
        first, last = self._keyspace.range(start, end)
        if first >= last:
            return Range((), False, 0, revision or await self.latest())
        request = pb.RangeRequest(
            key=first, range_end=last, limit=min(limit, PAGE) or PAGE, revision=revision, count_only=count_only
        )
        answer = await self._read(request)
        if count_only:
            return Range((), answer.count > 0, answer.count, revision or answer.header.revision)
        return await self._rest(request, answer, limit)

    async def _rest(self, request: Any, answer: Any, limit: int) -> Range:
        """The first page, and the others at the same revision."""
        revision = request.revision or answer.header.revision
        count, items = answer.count, [self._keyspace.key_value(item) for item in answer.kvs]
        while answer.more and (not limit or len(items) < limit):
            request.revision = revision
            request.key = answer.kvs[-1].key + b"\0"
            request.limit = min(limit - len(items), PAGE) if limit else PAGE
            answer = await self._read(request)
            items += map(self._keyspace.key_value, answer.kvs)
        return Range(items, count > len(items), count, revision)

    async def _read(self, request: Any) -> Any:
        """The answer, to fewer keys when it would be too large for so many."""
        while True:
            try:
                return await self._about(request.revision, self._connection.call("range", request, repeatable=True))
            except TooLarge as error:
                if request.limit == 1:
                    raise failures.translated(error, self._connection.url) from None
                request.limit = max((request.limit or PAGE) // FEWER, 1)

    async def _about(self, revision: int, answer: Awaitable[T]) -> T:
        """The answer to a request that names a revision."""
        try:
            return await answer
        except TooLarge:
            raise
        except RpcError as error:
            said = failures.text(error)
            if failures.COMPACTED in said:
                raise Compacted(await self._oldest()) from None
            if failures.FUTURE in said:
                raise FutureRevision(revision, await self._now()) from None
            raise failures.translated(error, self._connection.url) from None

    async def _oldest(self) -> int:
        """The oldest revision that can be read; to be asked only when something has been compacted."""
        stream = self._stream(1, False)
        try:
            while True:
                await stream.next()
        except Compacted as compacted:
            return compacted.revision
        finally:
            stream.close()

    def watch(self, start: str, end: str, *, from_revision: int, previous: bool = False) -> EtcdWatch:
        self._check_open()
        if previous:
            self._trunk.want_previous()
        watch = EtcdWatch(self, max(start, FIRST), min(end, END), from_revision, previous, self._feed.remove)
        self._feed.add(watch)
        return watch

    def past(self, revision: int, *, previous: bool) -> Stream:
        """Called by a watch: changes from `revision` on, that revision's included."""
        return self._stream(revision, previous)

    def _stream(self, start: int, previous: bool) -> Stream:
        return Stream(self._connection, self._keyspace, start, previous=previous)

    async def compact(self, revision: int) -> None:
        self._check_open()
        request = pb.CompactionRequest(revision=revision, physical=True)
        call = self._connection.call("compact", request, repeatable=False, seconds=COMPACT_SECONDS)
        await self._about(revision, call)

    # Commits

    def commit(self, compares: Sequence[Compare], operations: Sequence[Operation]) -> Awaitable[Commit]:
        self._check_open()
        _check(operations)
        leases = [o.lease for o in operations if isinstance(o, Put) and o.lease]
        turn = self._sequence.take([*(c.key for c in compares), *(o.key for o in operations), *leases])
        return self._in_turn(turn, lambda: self._commit(compares, operations, leases))

    def _in_turn(self, turn: sequence.Turn, work: Callable[[], Awaitable[Outcome[T]]]) -> asyncio.Future[T]:
        """The result of `work`, which is done whether or not the caller waits, once watches have its revision."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        task = loop.create_task(self._do(turn, work, future))
        self._commits[task] = None
        task.add_done_callback(lambda ended: self._commits.pop(ended, None))
        return future

    async def _do(
        self, turn: sequence.Turn, work: Callable[[], Awaitable[Outcome[T]]], future: asyncio.Future[T]
    ) -> None:
        try:
            await turn.come()
            try:
                result, revision, changed = await work()
            finally:
                turn.end()
            if revision > self.revision:
                if not changed:
                    self._see_past(revision)
                await self._trunk.reached(revision)
            if not future.done():
                future.set_result(result)
        except Exception as error:
            if not future.done():
                future.set_exception(error)

    async def _commit(
        self, compares: Sequence[Compare], operations: Sequence[Operation], leases: Sequence[int]
    ) -> Outcome[Commit]:
        request = self._keyspace.transaction(compares, operations)
        answer = await self._call("txn", request, repeatable=False, lease=leases[0] if leases else 0)
        revision = answer.header.revision
        if not answer.succeeded:
            found = self._keyspace.found(compares, answer.responses)
            return Outcome(Commit(False, revision, found), revision, changed=False)
        changed = any(each.HasField("response_put") or each.response_delete_range.deleted for each in answer.responses)
        return Outcome(Commit(True, revision, {}), revision, changed)

    async def _call(self, name: str, request: Any, *, repeatable: bool, lease: int = 0) -> Any:
        try:
            return await self._connection.call(name, request, repeatable=repeatable)
        except RpcError as error:
            if failures.NO_LEASE in failures.text(error):
                raise LeaseNotFound(lease) from None
            raise failures.translated(error, self._connection.url) from None

    def _compaction(self, policy: Policy) -> Compaction:
        return Compaction(
            self._clock,
            policy.seconds,
            look=self._get,
            commit=self.commit,
            latest=self.latest,
            compact=self.compact,
        )

    # Leases

    async def lease_grant(self, ttl_s: int) -> int:
        self._check_open()
        return int((await self._call("grant", pb.LeaseGrantRequest(TTL=ttl_s), repeatable=True)).ID)

    async def lease_renew(self, lease: int) -> int:
        self._check_open()
        call, member = await self._connection.stream("keep_alive")
        try:
            call.write(pb.LeaseKeepAliveRequest(ID=lease))
            answer = await self._clock.wait_for(call.read(), CALL_SECONDS)
        except RpcError as error:
            raise await self._connection.stream_failed(error, member) from None
        except TimeoutError:
            raise Unavailable(f"etcd at {member.url} did not renew a lease in time") from None
        finally:
            call.cancel()
        if answer is None:
            raise Unavailable(f"etcd at {member.url} ended the renewal of a lease")
        if answer.TTL <= 0:
            raise LeaseNotFound(lease)
        return int(answer.TTL)

    async def lease_revoke(self, lease: int) -> None:
        self._check_open()
        await self._in_turn(self._sequence.take([lease]), lambda: self._revoke(lease))

    async def _revoke(self, lease: int) -> Outcome[None]:
        answer = await self._call("revoke", pb.LeaseRevokeRequest(ID=lease), repeatable=False, lease=lease)
        return Outcome(None, answer.header.revision, changed=False)

    async def broken(self) -> str:
        """Never: members come back, or others answer."""
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    def statistics(self) -> dict[str, Any]:
        return {
            "kind": "etcd",
            "endpoint": self._connection.url,
            "prefix": self._keyspace.prefix,
            "revision": self.revision,
            "watches": len(self._feed),
            "queued": len(self._commits),
            "reconnects": self._trunk.reconnects,
            "revisions_asked": self._asked,
            "switches": self._connection.switches,
        }


def _check(operations: Sequence[Operation]) -> None:
    if len(operations) > MAX_OPERATIONS:
        raise InvalidCommit(f"a commit may hold {MAX_OPERATIONS} operations, this one has {len(operations)}")
    if len({operation.key for operation in operations}) < len(operations):
        raise InvalidCommit("a commit may change a key only once")


def _refuse(futures: Sequence[asyncio.Future[int]], error: Exception) -> None:
    """Tells all who still wait."""
    for future in futures:
        if not future.done():
            future.set_exception(error)
