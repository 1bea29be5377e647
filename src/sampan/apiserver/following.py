"""Keeping something in step with a resource: an index, a graph, a table.

What follows is called for every object there is, then for every change, as soon as the watch cache has applied it and
before anybody else runs. So what it keeps is never older than what a client can read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from sampan.aio.tasks import TaskOwner
from sampan.store.cache import Entry, ResourceCache, WatchCache, Watcher

log = logging.getLogger(__name__)
Put = Callable[[Entry, bool], None]
"""Takes an entry, and whether the object is gone (then the entry is its last state)."""
UNLIMITED = 2**62


class Source(Protocol):
    """What is followed: an API server."""

    @property
    def cache(self) -> WatchCache: ...

    @property
    def tasks(self) -> TaskOwner: ...


class Follower:
    """Calls `put` from its creation on. Belongs to the event loop of the source's cache, which must be started."""

    def __init__(self, source: Source, group: str, plural: str, put: Put) -> None:
        self._source = source
        self._put = put
        self._resource: ResourceCache = source.cache.resource(group, plural)
        self._known: dict[str, Entry] = {}
        self._watcher: Watcher | None = None
        self._name = plural
        self._fill()

    def _fill(self) -> None:
        entries, self._watcher = self._resource.list_and_watch(limit=UNLIMITED, ready=self._ready)
        present = {entry.key for entry in entries}
        for key in self._known.keys() - present:
            self._take(self._known.pop(key), True)
        for entry in entries:
            known = self._known.get(entry.key)
            if known is None or known.revision != entry.revision:
                self._known[entry.key] = entry
                self._take(entry, False)

    def _ready(self) -> None:
        watcher = self._watcher
        if watcher is None:
            return
        if watcher.reason is not None:
            self._watcher = None
            if watcher.reason == "stale":
                self._source.tasks.start(self._again, name=f"follow-{self._name}", policy="log")
            return
        batch = watcher.take()
        for event in batch.events if batch is not None else ():
            entry = event.entry
            gone = event.type == "DELETED"
            if gone:
                self._known.pop(entry.key, None)
            else:
                self._known[entry.key] = entry
            self._take(entry, gone)

    def _take(self, entry: Entry, gone: bool) -> None:
        """One object that cannot be understood must not end the following of all others."""
        try:
            self._put(entry, gone)
        except Exception:
            log.exception("follower failed key=%s", entry.key)

    async def _again(self) -> None:
        """The cache started over: what changed meanwhile is found by comparing."""
        await self._resource.fresh()
        self._fill()
