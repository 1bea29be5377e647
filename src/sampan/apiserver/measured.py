"""`MeasuredStore`: another store, with every request for objects timed by what it is about.

Operations are named as in upstream's `etcd_request_duration_seconds`: get, list, create, update, delete. What asks for
the present revision is not about any resource and is passed on as it is, as are watches and leases.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from sampan.aio.clock import Clock
from sampan.store import keys
from sampan.store.interface import Commit, Compare, KeyValue, Operation, Put, Range, Store, Watch

T = TypeVar("T")
Subject = tuple[str, str]
"""Group and plural."""


class MeasuredStore:
    """`Store` around `inner`. `observe` takes group, operation, plural, seconds, and whether the request failed."""

    def __init__(self, inner: Store, clock: Clock, observe: Callable[[str, str, str, float, bool], None]) -> None:
        self.inner = inner
        self.local = inner.local
        self._now = clock.monotonic
        self._observe = observe
        self.start, self.close, self.broken = inner.start, inner.close, inner.broken
        self.latest, self.compact, self.statistics = inner.latest, inner.compact, inner.statistics
        self.lease_grant, self.lease_renew = inner.lease_grant, inner.lease_renew
        self.lease_revoke = inner.lease_revoke

    @property
    def revision(self) -> int:
        return self.inner.revision

    async def get(self, key: str, *, revision: int = 0) -> KeyValue | None:
        return await self._timed("get", key, self.inner.get(key, revision=revision))

    async def range(
        self, start: str, end: str, *, limit: int = 0, revision: int = 0, count_only: bool = False
    ) -> Range:
        found = self.inner.range(start, end, limit=limit, revision=revision, count_only=count_only)
        return await self._timed("list", start, found)

    def watch(self, start: str, end: str, *, from_revision: int, previous: bool = False) -> Watch:
        return self.inner.watch(start, end, from_revision=from_revision, previous=previous)

    def commit(self, compares: Sequence[Compare], operations: Sequence[Operation]) -> Awaitable[Commit]:
        queued = self.inner.commit(compares, operations)
        return self._timed(operation_of(compares, operations), operations[0].key, queued) if operations else queued

    async def _timed(self, operation: str, key: str, answer: Awaitable[T]) -> T:
        group, plural = subject_of(key)
        began, failed = self._now(), True
        try:
            found = await answer
            failed = False
            return found
        finally:
            self._observe(group, operation, plural, self._now() - began, failed)


def operation_of(compares: Sequence[Compare], operations: Sequence[Operation]) -> str:
    """What a commit does to its first key, which is the object's: the others go with it."""
    first = operations[0]
    if not isinstance(first, Put):
        return "delete"
    for compare in compares:
        if compare.key == first.key and not compare.mod_revision:
            return "create"
    return "update"


def subject_of(key: str) -> Subject:
    """What a key, or the beginning of a range, is about; empty for several resources or what is no object's."""
    parts = key.split("/", 4)
    if len(parts) < 5 or not parts[3]:
        return "", ""
    group = parts[2]
    return ("" if group == keys.CORE else group), parts[3]
