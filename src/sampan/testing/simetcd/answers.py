"""What etcd answers: its messages in and out, over an engine.

The texts are etcd's (https://github.com/etcd-io/etcd, api/v3rpc/rpctypes). Where 3.4 is odd this is odd as well: a
watch that begins at the revision compacted to is not refused, and does not see what was deleted there
(https://github.com/etcd-io/etcd/issues/18089).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from sampan.aio.grpc import Code
from sampan.store.engine import Engine
from sampan.store.errors import Compacted, FutureRevision, LeaseNotFound, QuotaExceeded, StoreError, Unavailable
from sampan.store.etcd.messages import ALL, decoded, encoded, pb
from sampan.store.interface import Compare, Delete, Event, KeyValue, Operation, Put
from sampan.store.log import first_id

LAST = "\U0010ffff"


class Refused(Exception):
    """etcd's answer is an error: a gRPC status code, and a text."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


ERRORS: tuple[tuple[type[StoreError], Code, str], ...] = (
    (Compacted, Code.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted"),
    (FutureRevision, Code.OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision"),
    (LeaseNotFound, Code.NOT_FOUND, "etcdserver: requested lease not found"),
    (QuotaExceeded, Code.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded"),
    (Unavailable, Code.UNAVAILABLE, "etcdserver: server stopped"),
)


class Answers:
    """`engine()` gives the engine of the moment; raises `Unavailable` when there is none."""

    def __init__(self, engine: Callable[[], Engine], token: Callable[[], str]) -> None:
        self._engine = engine
        self._token = token
        self._calls: dict[str, Callable[[Engine, Any], Awaitable[Any]]] = {
            "range": self._range,
            "put": self._put,
            "txn": self._txn,
            "compact": self._compact,
            "grant": self._grant,
            "revoke": self._revoke,
            "status": self._status,
            "authenticate": self._authenticate,
        }

    async def call(self, name: str, request: Any) -> Any:
        """The answer; raises `Refused`."""
        try:
            return await self._calls[name](self._engine(), request)
        except StoreError as error:
            raise refusal(error) from None

    async def renew(self, request: Any) -> Any:
        """The answer to one keep-alive: a time of 0 seconds says that the lease has ended."""
        try:
            seconds = await self._engine().lease_renew(request.ID)
        except LeaseNotFound:
            seconds = 0
        except StoreError as error:
            raise refusal(error) from None
        return pb.LeaseKeepAliveResponse(ID=request.ID, TTL=seconds)

    async def _range(self, engine: Engine, request: Any) -> Any:
        start, end = bounds(request.key, request.range_end)
        found = await engine.range(
            start, end, limit=request.limit, revision=request.revision, count_only=request.count_only
        )
        header = _header(engine.revision if request.revision else found.revision)
        kvs = map(_message, found.items)
        return pb.RangeResponse(header=header, kvs=kvs, more=found.more and not request.count_only, count=found.count)

    async def _put(self, engine: Engine, request: Any) -> Any:
        done = await engine.commit((), (Put(decoded(request.key), request.value, request.lease),))
        return pb.PutResponse(header=_header(done.revision))

    async def _txn(self, engine: Engine, request: Any) -> Any:
        compares = [Compare(decoded(each.key), each.mod_revision) for each in request.compare]
        done = await engine.commit(compares, [_operation(each) for each in request.success])
        responses: list[Any] = []
        if done.succeeded:
            changed = {row.key for row in await self._rows(engine, done.revision)}
            responses = [_done(each, changed) for each in request.success]
        else:
            for each in request.failure:
                item = done.found[decoded(each.request_range.key)]
                kvs = [] if item is None else [_message(item)]
                responses.append(pb.ResponseOp(response_range=pb.RangeResponse(kvs=kvs, count=len(kvs))))
        return pb.TxnResponse(header=_header(done.revision), succeeded=done.succeeded, responses=responses)

    async def _rows(self, engine: Engine, revision: int) -> list[Any]:
        return await engine.log.changes(first_id(revision) - 1, first_id(revision + 1), limit=0, values=False)

    async def _compact(self, engine: Engine, request: Any) -> Any:
        await engine.compact(request.revision)
        return pb.CompactionResponse(header=_header(engine.revision))

    async def _grant(self, engine: Engine, request: Any) -> Any:
        return pb.LeaseGrantResponse(ID=await engine.lease_grant(request.TTL), TTL=request.TTL)

    async def _revoke(self, engine: Engine, request: Any) -> Any:
        await engine.lease_revoke(request.ID)
        return pb.LeaseRevokeResponse(header=_header(engine.revision))

    async def _status(self, engine: Engine, request: Any) -> Any:
        return pb.StatusResponse(header=_header(engine.revision))

    async def _authenticate(self, engine: Engine, request: Any) -> Any:
        return pb.AuthenticateResponse(token=self._token())

    async def watch(self, request: Any) -> AsyncIterator[Any]:
        """The responses to one `WatchCreateRequest`, for ever or up to one that says `canceled`; raises `Refused`."""
        engine = self._engine()
        start, end = bounds(request.key, request.range_end)
        try:
            yield pb.WatchResponse(header=_header(engine.revision), created=True)
            after = (request.start_revision or engine.revision + 1) - 1
            if after + 1 == engine.compacted:
                after += 1
                left = (await engine.range(start, end, revision=after)).items
                events = [pb.Event(kv=_message(item)) for item in left if item.mod_revision == after]
                if events:
                    yield pb.WatchResponse(header=_header(engine.revision), events=events)
            watch = engine.watch(start, end, from_revision=after, previous=request.prev_kv)
            try:
                async for changes in watch:
                    yield pb.WatchResponse(header=_header(max(watch.revision, 1)), events=map(_event, changes))
            finally:
                watch.close()
            raise Unavailable("the engine was closed")
        except Compacted as error:
            yield pb.WatchResponse(header=_header(1), canceled=True, compact_revision=error.revision)
        except StoreError as error:
            raise refusal(error) from None


def refusal(error: StoreError) -> Refused:
    """etcd's words for a store's error."""
    for kind, code, text in ERRORS:
        if isinstance(error, kind):
            return Refused(code, text)
    return Refused(Code.UNKNOWN, str(error))


def bounds(key: bytes, range_end: bytes) -> tuple[str, str]:
    """etcd's half-open range as ours."""
    if not range_end:
        return decoded(key), decoded(key) + "\0"
    return decoded(key), LAST if range_end == ALL else decoded(range_end)


def _header(revision: int) -> Any:
    return pb.ResponseHeader(revision=revision)


def _message(item: KeyValue) -> Any:
    return pb.KeyValue(
        key=encoded(item.key),
        value=item.value,
        create_revision=item.create_revision,
        mod_revision=item.mod_revision,
        version=item.version,
        lease=item.lease,
    )


def _event(event: Event) -> Any:
    previous = None if event.previous is None else _message(event.previous)
    if event.value is None:
        kv = pb.KeyValue(key=encoded(event.key), mod_revision=event.revision)
        return pb.Event(type=pb.Event.DELETE, kv=kv, prev_kv=previous)
    item = KeyValue(event.key, event.value, event.create_revision, event.revision, event.version, event.lease)
    return pb.Event(kv=_message(item), prev_kv=previous)


def _operation(message: Any) -> Operation:
    if message.HasField("request_put"):
        put = message.request_put
        return Put(decoded(put.key), put.value, put.lease)
    return Delete(decoded(message.request_delete_range.key))


def _done(message: Any, changed: set[str]) -> Any:
    if message.HasField("request_put"):
        return pb.ResponseOp(response_put=pb.PutResponse())
    deleted = int(decoded(message.request_delete_range.key) in changed)
    return pb.ResponseOp(response_delete_range=pb.DeleteRangeResponse(deleted=deleted))
