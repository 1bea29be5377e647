"""One resource's objects: entries by key, their history, and the watchers' channels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from sampan.store import keys
from sampan.store.cache.channel import Channel, Channels, Delivery, EntryPredicate, LabelPredicate, Scope
from sampan.store.cache.entry import KEY_FIELDS, Entry, make
from sampan.store.cache.event import Batch, Change, Type, WatchEvent
from sampan.store.cache.history import History
from sampan.store.cache.projection import Fields, Projection
from sampan.store.cache.watcher import Watcher
from sampan.store.errors import Compacted, FutureRevision
from sampan.store.interface import Event, KeyValue, Store
from sampan.store.order import SortedKeys

Entries = list[Entry]
LIMIT = 1000
"""Events a watcher may leave unread, unless its opener says otherwise."""


class Follower(Protocol):
    """What a resource needs of the cache it belongs to."""

    @property
    def base(self) -> int: ...

    @property
    def revision(self) -> int: ...

    @property
    def store(self) -> Store: ...

    async def fresh(self) -> int: ...


class Page(NamedTuple):
    """Part of a list: entries in key order, how many come after them, and the revision of it all."""

    entries: Entries
    remaining: int
    revision: int


class ResourceCache:
    """Entries of one resource at `revision`, the last the cache has applied. Call it from the event loop only.

    `namespace` is None for all namespaces (and for cluster-scoped resources) everywhere. Nothing returned may be
    changed. All methods without `async` answer from memory, between two changes. What is found out from all entries may
    be kept until `changes` is another number.
    """

    def __init__(self, cache: Follower, group: str, plural: str) -> None:
        self.prefix = keys.prefix(group, plural)
        self.projection = Projection()
        self._cache = cache
        self._entries: dict[str, Entry] = {}
        self._order = SortedKeys(self._entries)
        self._history = History(cache.base)
        self._channels = Channels()
        self._touched: dict[Channel, None] = {}
        self._watcher_channels: dict[Watcher, Channel] = {}
        self.changes = 0

    @property
    def revision(self) -> int:
        return self._cache.revision

    @property
    def floor(self) -> int:
        """The oldest revision a watch may begin from."""
        return self._history.floor

    def __len__(self) -> int:
        return len(self._entries)

    async def fresh(self) -> int:
        """Waits until every write acknowledged before the call is applied, and returns the revision then."""
        return await self._cache.fresh()

    # Reads

    def get(self, namespace: str | None, name: str) -> Entry | None:
        return self._entries.get(f"{self.prefix}{namespace}/{name}" if namespace else self.prefix + name)

    def list(self, namespace: str | None = None) -> Entries:
        """All entries in key order. Next to free when there are none, as admission asks on every write."""
        return self.page(namespace).entries if self._entries else []

    def page(self, namespace: str | None = None, *, after: str = "", limit: int = 0) -> Page:
        """At most `limit` entries (0: all) whose keys follow the key `after`."""
        start, end = self._bounds(namespace, after)
        chosen = self._order.between(start, end, limit)
        remaining = self._order.count(start, end) - len(chosen) if limit else 0
        return Page(list(map(self._entries.__getitem__, chosen)), remaining, self.revision)

    async def at(self, revision: int, namespace: str | None = None) -> Entries:
        """All entries as of `revision`; raises as `page_at`."""
        return (await self.page_at(revision, namespace)).entries

    async def page_at(self, revision: int, namespace: str | None = None, *, after: str = "", limit: int = 0) -> Page:
        """`page` as of a revision: from memory when recent, else from the store.

        Raises `Compacted` when the history is gone, `FutureRevision` when the revision has not been written.
        """
        if revision > self.revision and revision > await self.fresh():
            raise FutureRevision(revision, self.revision)
        if revision == self.revision:
            return self.page(namespace, after=after, limit=limit)
        if revision >= self._history.floor:
            return self._past(revision, *self._bounds(namespace, after), limit)
        found = await self._cache.store.range(*self._bounds(namespace, after), limit=limit, revision=revision)
        entries = [self._make(item) for item in found.items]
        return Page(entries, found.count - len(entries), revision)

    def _past(self, revision: int, start: str, end: str, limit: int) -> Page:
        """The page with the changes after `revision` undone."""
        before: dict[str, Entry | None] = {}
        for change in self._history.since(revision):
            if start <= (key := change.subject.key) < end:
                before.setdefault(key, change.old)
        unchanged = [key for key in self._order.between(start, end) if key not in before]
        chosen = sorted(unchanged + [key for key, entry in before.items() if entry is not None])
        shown = chosen[:limit] if limit else chosen
        entries = [before.get(key) or self._entries[key] for key in shown]
        return Page(entries, len(chosen) - len(shown), revision)

    def _bounds(self, namespace: str | None, after: str) -> tuple[str, str]:
        prefix = f"{self.prefix}{namespace}/" if namespace else self.prefix
        return (after + "\0" if after else prefix), keys.end(prefix)

    # Watches

    def watch(
        self,
        *,
        from_revision: int,
        namespace: str | None = None,
        name: str | None = None,
        field: tuple[str, str] | None = None,
        label: LabelPredicate | None = None,
        where: EntryPredicate | None = None,
        limit: int = LIMIT,
        ready: Callable[[], None] | None = None,
    ) -> Watcher:
        """Every change after `from_revision`, once and in order; raises `Compacted` when that is too old.

        `field` (a selectable field and the value it must have) is indexed, so such a watcher costs nothing for objects
        of other values; KeyError when it is not selectable. `label` and `where` are evaluated once per change for all
        watchers that give equal ones. A watcher with `ready` is not iterated: `ready()` is called, without delay,
        whenever `take()` began to have something or the watch ended. `limit`: see `Watcher`.
        """
        if from_revision < self._history.floor:
            raise Compacted(self._history.floor)
        if field is not None and field[0] not in self.projection.names and field[0] not in KEY_FIELDS:
            raise KeyError(field[0])
        scope = _scope(namespace, name, field, label, where)
        backlog = self._backlog(scope, from_revision)
        channel = self._channels.open(scope._replace(after=from_revision if from_revision > self.revision else 0))
        watcher = Watcher(self, sent=from_revision, backlog=backlog, limit=limit, ready=ready)
        channel.watchers[watcher] = None
        self._watcher_channels[watcher] = channel
        if backlog and ready is not None:
            ready()
        return watcher

    def list_and_watch(self, *, namespace: str | None = None, **options: Any) -> tuple[Entries, Watcher]:
        """The entries (of the namespace; selectors are the caller's to apply) and a watcher of all later changes.

        `options` are those of `watch` but `from_revision`, which is the cache's present revision.
        """
        watcher = self.watch(from_revision=self.revision, namespace=namespace, **options)
        return self.list(namespace), watcher

    def _backlog(self, scope: Scope, from_revision: int) -> Batch | None:
        events = []
        for change in self._history.since(from_revision):
            subject = change.subject
            if scope.namespace not in (None, subject.namespace) or scope.name not in (None, subject.name):
                continue
            look = scope.look(change)
            if look is not None:
                events.append(change.event(look))
        return Batch(events) if events else None

    def remove(self, watcher: Watcher) -> None:
        """Called by a watcher that ends."""
        channel = self._watcher_channels.pop(watcher, None)
        if channel is not None:
            del channel.watchers[watcher]
            if not channel.watchers:
                self._channels.drop(channel)

    # Following the store: called by the cache

    def configure(self, fields: Fields) -> None:
        """Says which fields can be selected by; before anyone has selected."""
        self.projection.configure(fields)

    def load(self, items: Iterable[KeyValue]) -> None:
        for item in items:
            self._entries[item.key] = self._make(item)
            self._order.changed(item.key)

    def reset(self, revision: int) -> None:
        """Forgets everything and ends all watches: the cache starts over at `revision`."""
        self.end_watches()
        self._entries.clear()
        self._order = SortedKeys(self._entries)
        self._history = History(revision)

    def end_watches(self) -> None:
        for watcher in tuple(self._watcher_channels):
            watcher.close("stale")

    def apply(self, event: Event) -> None:
        """Makes the change; watchers get theirs by `deliveries`."""
        key = event.key
        old = self._entries.get(key)
        if event.value is None:
            if old is None:
                return
            new = None
            del self._entries[key]
            self._order.changed(key)
        else:
            key = old.key if old is not None else key
            new = self._entries[key] = make(key, event.value, event.revision, self.projection)
            if old is None:
                self._order.changed(key)
        self.changes += 1
        change = Change(event.revision, old, new)
        self._history.add(change)
        self._notify(change)

    def _notify(self, change: Change) -> None:
        made: dict[Type, WatchEvent] = {}
        for channel in self._channels.concerned(change):
            if channel.add(change, made):
                self._touched[channel] = None

    def deliveries(self) -> Sequence[Delivery]:
        """What the changes applied since the last call have for watchers."""
        touched, self._touched = self._touched, {}
        return [channel.delivery() for channel in touched]

    def _make(self, item: KeyValue) -> Entry:
        return make(item.key, item.value, item.mod_revision, self.projection)

    def statistics(self) -> dict[str, int]:
        return {
            "objects": len(self._entries),
            "history": len(self._history),
            "floor": self._history.floor,
            "watchers": len(self._watcher_channels),
            "channels": len(self._channels),
        }


def _scope(
    namespace: str | None,
    name: str | None,
    field: tuple[str, str] | None,
    label: LabelPredicate | None,
    where: EntryPredicate | None,
) -> Scope:
    """The scope, with fields that are part of the key as such."""
    if field is not None and field[0] == "metadata.name" and name in (None, field[1]):
        name, field = field[1], None
    elif field is not None and field[0] == "metadata.namespace" and namespace in (None, field[1]):
        namespace, field = field[1], None
    return Scope(namespace or None, name, field, label, where)
