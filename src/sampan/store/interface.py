"""What a store is: etcd's meaning in a small Protocol.

A store maps keys (text) to values (bytes). It has one global *revision*, a counter that each commit which changes
anything raises by one; all changes of one commit carry the commit's revision. History is kept: the map can be read as
it was at an earlier revision, and a watch sees every change after a revision, in order, until `compact` discards what
is older. Ranges are half-open, `[start, end)`, in the order of the keys' code points.

Guarantees every implementation gives, and the common test suite checks:

- *Commits are linearizable.* Compares and operations of a commit are decided as one step, in one order for all callers.
- *Acknowledged is durable.* When `commit` returns, the change survives the death of the process and of the machine
  (`memory` excepted, which promises this for as long as the process lives).
- *Read your writes.* When `commit` returns revision R, `revision >= R`, and the watches of this process have already
  been given R: a task that waits on a watch runs before the task that waited on the commit.
- *Watches are complete.* A watch yields every change in its range after `from_revision` once, in revision order,
  however slow its reader is, or raises `Compacted`.
- *Ownership.* Values passed in and handed out are immutable bytes and may be shared without copying.
- Cancelling a caller does not cancel its commit.

All methods may raise `Unavailable`. A store belongs to the event loop that started it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

MAX_OPERATIONS = 128
"""Operations allowed in one commit, as etcd's --max-txn-ops default."""


class KeyValue(msgspec.Struct, frozen=True, gc=False):
    """A key as of some revision. `version` counts the puts since `create_revision`; `lease` is 0 when there is none."""

    key: str
    value: bytes
    create_revision: int
    mod_revision: int
    version: int
    lease: int = 0


class Event(msgspec.Struct, frozen=True, gc=False):
    """One change of one key. `value` is None for a deletion (whose `version` and `create_revision` are 0).

    `previous` is the key before the change; only watches opened with `previous=True` carry it, and None then means
    that the key did not exist (or that its last state has been compacted).
    """

    key: str
    value: bytes | None
    revision: int
    previous: KeyValue | None = None
    create_revision: int = 0
    version: int = 0
    lease: int = 0


class Compare(msgspec.Struct, frozen=True, gc=False):
    """Holds when the key's `mod_revision` is this; 0: when the key does not exist."""

    key: str
    mod_revision: int


class Put(msgspec.Struct, frozen=True, gc=False):
    key: str
    value: bytes
    lease: int = 0


class Delete(msgspec.Struct, frozen=True, gc=False):
    """Removes the key; changes nothing when it does not exist."""

    key: str


Operation = Put | Delete


class Commit(msgspec.Struct, frozen=True, gc=False):
    """The answer to a commit.

    `revision` is the commit's own when it changed anything, else the one it was decided at. When `succeeded` is False,
    `found` tells the keys compared as they were at that moment; otherwise it is empty.
    """

    succeeded: bool
    revision: int
    found: Mapping[str, KeyValue | None]


class Range(msgspec.Struct, frozen=True, gc=False):
    """Keys in order. `count` is of all keys in the range; `more` says that `limit` cut some off."""

    items: Sequence[KeyValue]
    more: bool
    count: int
    revision: int


class Watch(Protocol):
    """Changes of a range as they happen: iterate it, and close it when done."""

    @property
    def revision(self) -> int:
        """Every change in the range up to here has been handed out."""
        ...

    def __aiter__(self) -> AsyncIterator[list[Event]]: ...

    async def __anext__(self) -> list[Event]:
        """The next changes, in revision order, all changes of one commit in one batch.

        An empty batch reports progress: `revision` rose without a change in the range. Raises `Compacted` when the
        reader was so slow that what comes next has been compacted, StopAsyncIteration after `close`.
        """
        ...

    def close(self) -> None: ...


class Store(Protocol):
    """A map from keys to values with one revision, history and watches; see the module's text for the guarantees."""

    local: bool
    """Whether every commit goes through this process, so that `revision` is always `latest()`."""

    @property
    def revision(self) -> int:
        """The newest revision this process knows of; 1 when nothing was ever written."""
        ...

    async def start(self) -> None:
        """Opens the store; raises `Corrupt`, or `Unavailable` (say, in use by another process)."""
        ...

    async def close(self) -> None:
        """Waits for what was queued to be written, and ends all watches."""
        ...

    async def latest(self) -> int:
        """The revision of the newest commit acknowledged to anyone, by any process, before this call."""
        ...

    async def get(self, key: str, *, revision: int = 0) -> KeyValue | None:
        """One key, now or at a revision. Raises as `range`."""
        ...

    async def range(
        self, start: str, end: str, *, limit: int = 0, revision: int = 0, count_only: bool = False
    ) -> Range:
        """Keys in `[start, end)` at one revision (0: the newest), at most `limit` of them (0: all).

        Raises `Compacted` when the revision is older than the history kept, `FutureRevision` when it is not yet.
        """
        ...

    def commit(self, compares: Sequence[Compare], operations: Sequence[Operation]) -> Awaitable[Commit]:
        """Does the operations if all compares hold, as one step.

        The call queues the commit. Commits of this process that name a common key or lease are decided in call order,
        and all of them are when the store is `local`.

        Raises `InvalidCommit` for more than `MAX_OPERATIONS` or a key changed twice, `LeaseNotFound`, `QuotaExceeded`.
        """
        ...

    def watch(self, start: str, end: str, *, from_revision: int, previous: bool = False) -> Watch:
        """Changes in `[start, end)` later than `from_revision` (etcd's start_revision is one more).

        A `from_revision` yet to come is waited for. Raises `Compacted`, here or on iteration.
        """
        ...

    async def compact(self, revision: int) -> None:
        """Discards history before `revision`, which itself stays readable; durable on return.

        Raises `Compacted` when it already is, `FutureRevision`.
        """
        ...

    async def lease_grant(self, ttl_s: int) -> int:
        """A new lease's id. When not renewed for `ttl_s` seconds it ends, and the keys put with it are deleted."""
        ...

    async def lease_renew(self, lease: int) -> int:
        """Starts the lease's time anew; answers the seconds. Raises `LeaseNotFound`."""
        ...

    async def lease_revoke(self, lease: int) -> None:
        """Ends the lease and deletes its keys in one commit. Raises `LeaseNotFound`."""
        ...

    async def broken(self) -> str:
        """Waits until the store has stopped for good, and says why: then only opening it anew can help.

        A store that comes back by itself never answers.
        """
        ...

    def statistics(self) -> dict[str, Any]:
        """Figures for an operator: revision, keys, bytes, queue lengths, watches."""
        ...
