"""Changes of a resource, and the events that watchers see of them.

A selector can make a change look different: an object that begins to match is ADDED to the watcher, one that ceases to
match is DELETED with its last matching state (API concepts, "Efficient detection of changes"). Each look of a change
is one `WatchEvent`, made and encoded at most once however many watchers share it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from sampan.store.cache.entry import Entry

Type = Literal["ADDED", "MODIFIED", "DELETED"]
TRANSITIONS: dict[tuple[bool, bool], Type | None] = {
    (False, False): None,
    (False, True): "ADDED",
    (True, True): "MODIFIED",
    (True, False): "DELETED",
}
"""(matched before, matches after) to what a watcher with a selector sees."""


class WatchEvent(msgspec.Struct, eq=False, gc=False):
    """What a watcher is told. For DELETED, `entry` is the last state with the deletion's resourceVersion."""

    type: Type
    entry: Entry
    encoded: bytes | None = None

    @property
    def wire(self) -> bytes:
        """The event as a line of a watch response, encoded on first use."""
        if self.encoded is None:
            self.encoded = b'{"type":"%b","object":%b}\n' % (self.type.encode(), self.entry.data)
        return self.encoded


class Change(msgspec.Struct, eq=False, gc=False):
    """One change of one object, as history keeps it: `old` and `new` state, None where there is none."""

    revision: int
    old: Entry | None
    new: Entry | None

    @property
    def subject(self) -> Entry:
        entry = self.new or self.old
        assert entry is not None, "a change has a state before or after"
        return entry

    def type(self) -> Type:
        return "DELETED" if self.new is None else "ADDED" if self.old is None else "MODIFIED"

    def event(self, type_: Type) -> WatchEvent:
        if type_ != "DELETED":
            return WatchEvent(type_, self.subject)
        assert self.old is not None, "only what was there can be deleted"
        return WatchEvent(type_, self.old.at(self.revision))


class Batch:
    """Events in revision order, shared by all watchers that see the same; `wire` is their encodings joined once.

    `size` is their objects' bytes together.
    """

    __slots__ = ("_size", "_wire", "events")

    def __init__(self, events: list[WatchEvent], wire: bytes | None = None) -> None:
        self.events = events
        self._wire = wire
        self._size: int | None = None

    def __iter__(self) -> Iterator[WatchEvent]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    @property
    def size(self) -> int:
        if self._size is None:
            self._size = sum([len(event.entry.data) for event in self.events])
        return self._size

    @property
    def wire(self) -> bytes:
        if self._wire is None:
            self._wire = self.events[0].wire if len(self.events) == 1 else b"".join([e.wire for e in self.events])
        return self._wire


def joined(batches: list[Batch]) -> Batch:
    """One batch of several; sharing is kept when there is only one."""
    return batches[0] if len(batches) == 1 else Batch([event for batch in batches for event in batch.events])
