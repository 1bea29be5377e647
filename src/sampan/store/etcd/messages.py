"""Between our terms and etcd's messages: keys with their prefix, requests, events.

`pb` are the generated messages, made at build time, so a type checker sees `Any`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sampan.store.etcd import rpc_pb2
from sampan.store.interface import Compare, Event, KeyValue, Operation, Put

pb: Any = rpc_pb2
RESERVED = "/\0"
"""Keys that begin so are the store's own; nobody else sees them."""
FIRST, END = "/\x01", "0"
"""Others' keys lie between: all begin with a slash."""
ALL = b"\0"


class Keyspace:
    """A store's part of etcd's keys: those below a prefix, which its callers do not see; "" for all."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix.rstrip("/")
        self._raw = encoded(self.prefix)

    @property
    def bounds(self) -> tuple[bytes, bytes]:
        """What is to be watched, as etcd's half-open range: without a prefix, others' keys too."""
        return (self._raw + b"/", self._raw + b"0") if self._raw else (ALL, ALL)

    def key(self, key: str) -> bytes:
        return self._raw + encoded(key)

    def range(self, start: str, end: str) -> tuple[bytes, bytes]:
        """A range of ours as etcd's, without what is reserved or beyond the prefix."""
        return self.key(max(start, FIRST)), self.key(min(end, END))

    def key_value(self, item: Any) -> KeyValue:
        key = decoded(item.key[len(self._raw) :])
        return KeyValue(key, item.value, item.create_revision, item.mod_revision, item.version, item.lease)

    def event(self, item: Any) -> Event:
        kv = item.kv
        key = decoded(kv.key[len(self._raw) :])
        previous = self.key_value(item.prev_kv) if item.HasField("prev_kv") else None
        if item.type == pb.Event.DELETE:
            return Event(key, None, kv.mod_revision, previous)
        return Event(key, kv.value, kv.mod_revision, previous, kv.create_revision, kv.version, kv.lease)

    def transaction(self, compares: Sequence[Compare], operations: Sequence[Operation]) -> Any:
        """The operations if all compares hold, else a look at the keys compared."""
        guards = [
            pb.Compare(target=pb.Compare.MOD, key=self.key(compare.key), mod_revision=compare.mod_revision)
            for compare in compares
        ]
        looks = [pb.RequestOp(request_range=pb.RangeRequest(key=guard.key)) for guard in guards]
        return pb.TxnRequest(compare=guards, success=[self._operation(o) for o in operations], failure=looks)

    def _operation(self, operation: Operation) -> Any:
        key = self.key(operation.key)
        if isinstance(operation, Put):
            put = pb.PutRequest(key=key, value=operation.value, lease=operation.lease)
            return pb.RequestOp(request_put=put)
        return pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=key))

    def found(self, compares: Sequence[Compare], responses: Iterable[Any]) -> dict[str, KeyValue | None]:
        """What the looks of a refused transaction saw."""
        seen = [response.response_range.kvs for response in responses]
        return {
            compare.key: self.key_value(kvs[0]) if kvs else None for compare, kvs in zip(compares, seen, strict=True)
        }


def encoded(key: str) -> bytes:
    return key.encode("utf-8", "surrogateescape")


def decoded(key: bytes) -> str:
    """Keys of other programs in the same etcd may be any bytes; ours are UTF-8, whose order is that of code points."""
    return key.decode("utf-8", "surrogateescape")
