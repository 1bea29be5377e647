"""Watchers that see the same events, and how a change finds them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import NamedTuple

from sampan.store.cache.entry import Entry
from sampan.store.cache.event import TRANSITIONS, Batch, Change, Type, WatchEvent
from sampan.store.cache.watcher import Watcher

log = logging.getLogger(__name__)
LabelPredicate = Callable[[Mapping[str, str]], bool]
EntryPredicate = Callable[[Entry], bool]


class Scope(NamedTuple):
    """What a watcher wants to see; watchers of equal scope share a channel. None: no restriction.

    `label` and `where` are equal when their functions are: a selector type with equality lets watchers share. `after`
    is a revision still to come, from which a watcher begins, else 0.
    """

    namespace: str | None = None
    name: str | None = None
    field: tuple[str, str] | None = None
    label: LabelPredicate | None = None
    where: EntryPredicate | None = None
    after: int = 0

    @property
    def selects(self) -> bool:
        """Whether an object can begin or cease to match."""
        return self.field is not None or self.label is not None or self.where is not None

    def matches(self, entry: Entry) -> bool:
        return (
            (self.namespace is None or entry.namespace == self.namespace)
            and (self.name is None or entry.name == self.name)
            and (self.field is None or entry.field(self.field[0]) == self.field[1])
            and (self.label is None or self.label(entry.labels))
            and (self.where is None or self.where(entry))
        )

    def look(self, change: Change) -> Type | None:
        """How the change looks in this scope, None: not at all. Namespace and name may be taken as fitting."""
        if change.revision <= self.after:
            return None
        if not self.selects:
            return change.type()
        before = change.old is not None and self.matches(change.old)
        return TRANSITIONS[before, change.new is not None and self.matches(change.new)]


class Delivery(NamedTuple):
    """A batch on its way to watchers, fixed before any of them runs: who begins to watch meanwhile has it behind."""

    batch: Batch
    watchers: tuple[Watcher, ...]

    def push(self) -> None:
        for watcher in self.watchers:
            try:
                watcher.push(self.batch)
            except Exception:
                log.exception("watcher failed and is ended")
                watcher.abandon("stale")


class Channel:
    """The watchers of one scope, and their events of the batch that is being applied."""

    __slots__ = ("events", "scope", "watchers")

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.watchers: dict[Watcher, None] = {}
        self.events: list[WatchEvent] = []

    def add(self, change: Change, made: dict[Type, WatchEvent]) -> bool:
        """Notes how the change looks here, if at all; `made` are its looks so far.

        A predicate that fails ends this channel's watches, not the cache.
        """
        try:
            look = self.scope.look(change)
        except Exception:
            log.exception("selector failed, its watches end key=%s", change.subject.key)
            self.close("stale")
            return False
        if look is None:
            return False
        if look not in made:
            made[look] = change.event(look)
        self.events.append(made[look])
        return True

    def delivery(self) -> Delivery:
        """The events noted, for those who watch now."""
        events, self.events = self.events, []
        return Delivery(Batch(events), tuple(self.watchers))

    def close(self, reason: str) -> None:
        for watcher in tuple(self.watchers):
            watcher.close(reason)


class Channels:
    """The channels of a resource, indexed by what a change tells of itself."""

    def __init__(self) -> None:
        self._channels: dict[Scope, Channel] = {}
        self._places: dict[Hashable, list[Channel]] = {}
        self._fields: dict[str, dict[str, list[Channel]]] = {}

    def __len__(self) -> int:
        return len(self._channels)

    def __iter__(self) -> Iterator[Channel]:
        return iter(tuple(self._channels.values()))

    def open(self, scope: Scope) -> Channel:
        channel = self._channels.get(scope)
        if channel is None:
            channel = self._channels[scope] = Channel(scope)
            self._bucket(scope).append(channel)
        return channel

    def drop(self, channel: Channel) -> None:
        """Forgets a channel without watchers."""
        if self._channels.get(channel.scope) is channel:
            del self._channels[channel.scope]
            self._bucket(channel.scope).remove(channel)
            self._prune(channel.scope)

    def concerned(self, change: Change) -> Iterable[Channel]:
        """Channels that the change may concern, each once."""
        if not self._channels:
            return ()
        subject = change.subject
        namespace, name = subject.namespace, subject.name
        places = self._places
        found: list[Channel] = []
        for place in ((None, None), (namespace, None), (namespace, name), (None, name)):
            found += places.get(place, ())
        for path, values in self._fields.items():
            for value in {entry.field(path) for entry in (change.old, change.new) if entry is not None}:
                found += values.get(value, ())
        return found

    def _bucket(self, scope: Scope) -> list[Channel]:
        if scope.field is None:
            return self._places.setdefault((scope.namespace, scope.name), [])
        path, value = scope.field
        return self._fields.setdefault(path, {}).setdefault(value, [])

    def _prune(self, scope: Scope) -> None:
        if self._bucket(scope):
            return
        if scope.field is None:
            del self._places[scope.namespace, scope.name]
            return
        path, value = scope.field
        del self._fields[path][value]
        if not self._fields[path]:
            del self._fields[path]
