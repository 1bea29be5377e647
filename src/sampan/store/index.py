"""Deciding commits: plain functions from the living keys' heads and a queue of requests to rows and answers.

Requests that queued while the disk was busy form a *group*. Each is decided in turn against the heads, as changed by
those before it in the group, so the outcome is the one of doing them one after another. Nothing is changed in the
index until the group is on disk (`apply`); a group that could not be written is dropped, and nobody has seen it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from sampan.store.errors import InvalidCommit, LeaseNotFound, QuotaExceeded, StoreError
from sampan.store.interface import MAX_OPERATIONS, Commit, Compare, Delete, Event, KeyValue, Operation, Put
from sampan.store.log import SHIFT, Contents, Head, Row, Unit, key_value
from sampan.store.order import SortedKeys

NOTHING_FOUND: dict[str, KeyValue | None] = {}


class Grant(msgspec.Struct, frozen=True):
    """Internal operation: a new lease."""

    lease: int
    seconds: int


class Revoke(msgspec.Struct, frozen=True):
    """Internal operation: end a lease and delete its keys."""

    lease: int


class Request(msgspec.Struct):
    """A commit that waits for its turn."""

    compares: Sequence[Compare]
    operations: Sequence[Operation | Grant | Revoke]
    future: asyncio.Future[Commit]


class Outcome(msgspec.Struct):
    """What a request comes to once its group is on disk: an error, or a revision and (if refused) what was found."""

    request: Request
    revision: int
    error: StoreError | None = None
    refused: dict[str, int] | None = None
    """The compared keys' row ids (0: absent) when a compare did not hold."""

    def commit(self, rows: dict[int, Row]) -> Commit:
        if self.refused is None:
            return Commit(True, self.revision, NOTHING_FOUND)
        found = {key: key_value(rows[id_], key) if id_ else None for key, id_ in self.refused.items()}
        return Commit(False, self.revision, found)


class Group(msgspec.Struct):
    """Requests decided together. `heads` overlays the index: None is a key the group deletes."""

    revision: int
    unit: Unit
    outcomes: list[Outcome] = []
    heads: dict[str, Head | None] = {}
    no_new_keys: str | None = None

    def is_read_only(self) -> bool:
        return not (self.unit.rows or self.unit.leases or self.unit.reads)

    def events(self, rows: dict[int, Row]) -> list[Event]:
        """The group's changes; `previous` is filled in from `rows` where it was read."""
        events = []
        for row in self.unit.rows:
            replaced = rows.get(row.previous) if rows else None
            previous = key_value(replaced, row.key) if replaced else None
            revision = row.id >> SHIFT
            if row.value is None:
                events.append(Event(row.key, None, revision, previous))
            else:
                event = Event(row.key, row.value, revision, previous, row.create_revision, row.version, row.lease)
                events.append(event)
        return events


class Index:
    """The living keys' heads, their order, the leases and the revision."""

    def __init__(self, contents: Contents) -> None:
        self.revision = contents.revision
        self.heads: dict[str, Head] = contents.heads
        self.leases: dict[int, int] = contents.leases
        self.order = SortedKeys(self.heads)
        self._attached: dict[int, set[str]] = {}
        for key, head in self.heads.items():
            self.order.changed(key)
            if head.lease:
                self._attached.setdefault(head.lease, set()).add(key)

    def decide(self, requests: Sequence[Request], *, previous: bool = False, no_new_keys: str | None = None) -> Group:
        """The group these requests make.

        `previous` says that the replaced rows are to be read as well; `no_new_keys` is why no key may be created now.
        """
        group = Group(self.revision, Unit([], {}, set()), no_new_keys=no_new_keys)
        for request in requests:
            group.outcomes.append(self._outcome(request, group))
        if previous:
            group.unit.reads.update(row.previous for row in group.unit.rows if row.previous)
        return group

    def apply(self, group: Group) -> None:
        """Makes the group's changes the present state."""
        self.revision = group.revision
        for key, head in group.heads.items():
            self._replace(key, self.heads.get(key), head)
        for lease, seconds in group.unit.leases.items():
            if seconds is None:
                self.leases.pop(lease, None)
                self._attached.pop(lease, None)
            else:
                self.leases[lease] = seconds

    def _replace(self, key: str, old: Head | None, new: Head | None) -> None:
        if old is not None and old.lease:
            self._attached.get(old.lease, set()).discard(key)
        if new is None:
            if old is not None:
                del self.heads[key]
                self.order.changed(key)
            return
        self.heads[key] = new
        if old is None:
            self.order.changed(key)
        if new.lease:
            self._attached.setdefault(new.lease, set()).add(key)

    def _outcome(self, request: Request, group: Group) -> Outcome:
        for compare in request.compares:
            head = self._head(compare.key, group)
            if (head.id >> SHIFT if head else 0) != compare.mod_revision:
                return self._refusal(request, group)
        try:
            changes = self._changes(request, group)
        except StoreError as error:
            return Outcome(request, group.revision, error)
        if changes:
            self._add(changes, group)
        return Outcome(request, group.revision)

    def _refusal(self, request: Request, group: Group) -> Outcome:
        heads = {compare.key: self._head(compare.key, group) for compare in request.compares}
        found = {key: head.id if head else 0 for key, head in heads.items()}
        group.unit.reads.update(id_ for id_ in found.values() if id_)
        return Outcome(request, group.revision, refused=found)

    def _changes(self, request: Request, group: Group) -> dict[str, Put | None]:
        """The keys the request changes; raises before anything of it is in the group. Leases are noted at once."""
        operations = request.operations
        if len(operations) > MAX_OPERATIONS:
            raise InvalidCommit(f"a commit may hold {MAX_OPERATIONS} operations, this one has {len(operations)}")
        changes: dict[str, Put | None] = {}
        for operation in operations:
            if type(operation) is Put:
                if operation.lease:
                    self._check_lease(operation.lease, group)
                if group.no_new_keys is not None and self._head(operation.key, group) is None:
                    raise QuotaExceeded(group.no_new_keys)
                changes[operation.key] = operation
            elif type(operation) is Delete:
                changes[operation.key] = None
            else:
                return self._lease_changes(operation, group)
        if len(changes) < len(operations):
            raise InvalidCommit("a commit may change a key only once")
        return changes

    def _lease_changes(self, operation: Any, group: Group) -> dict[str, Put | None]:
        if isinstance(operation, Grant):
            group.unit.leases[operation.lease] = operation.seconds
            return {}
        self._check_lease(operation.lease, group)
        group.unit.leases[operation.lease] = None
        keys = sorted({*self._attached.get(operation.lease, ()), *group.heads})
        return {key: None for key in keys if (head := self._head(key, group)) and head.lease == operation.lease}

    def _check_lease(self, lease: int, group: Group) -> None:
        if group.unit.leases.get(lease, self.leases.get(lease)) is None:
            raise LeaseNotFound(lease)

    def _add(self, changes: dict[str, Put | None], group: Group) -> None:
        revision = group.revision + 1
        rows: list[Row] = []
        for key, put in changes.items():
            old = self._head(key, group)
            if put is not None:
                rows.append(self._put(put, old, (revision << SHIFT) + len(rows), group))
            elif old is not None:
                rows.append(Row((revision << SHIFT) + len(rows), key, 0, 0, 0, old.id, None))
                group.heads[key] = None
        if rows:
            group.revision = revision
            group.unit.rows += rows

    def _put(self, put: Put, old: Head | None, id_: int, group: Group) -> Row:
        if old is None:
            group.heads[put.key] = head = Head(id_, id_ >> SHIFT, 1, put.lease)
            return Row(id_, put.key, head.create_revision, 1, put.lease, 0, put.value)
        group.heads[put.key] = head = Head(id_, old.create_revision, old.version + 1, put.lease)
        return Row(id_, put.key, head.create_revision, head.version, put.lease, old.id, put.value)

    def _head(self, key: str, group: Group) -> Head | None:
        head = group.heads.get(key, UNKNOWN)
        return self.heads.get(key) if head is UNKNOWN else head


UNKNOWN = Head(-1, 0, 0, 0)
