"""Following a store: one watch over everything, shared out to the resources."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from sampan.aio.tasks import TaskOwner
from sampan.store import keys
from sampan.store.cache.projection import Fields
from sampan.store.cache.resource import ResourceCache
from sampan.store.errors import Compacted, StoreError
from sampan.store.interface import Event, KeyValue, Store, Watch

log = logging.getLogger(__name__)
PAGE = 4096
REPLAYED = 4096
"""Revisions of the store's history to take over at start, so that clients' watches survive a server's restart."""


class WatchCache:
    """Everything under `keys.ROOT`, by resource. Belongs to the event loop that starts it.

    `revision` is the last revision applied, for all resources alike; `base` is the one it was loaded at.
    """

    def __init__(self, store: Store, *, replayed: int = REPLAYED) -> None:
        self.store = store
        self.revision = self.base = 0
        self.failure: StoreError | None = None
        self._replayed = replayed
        self._resources: dict[tuple[str, str], ResourceCache] = {}
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._tasks = TaskOwner("watch-cache")
        self._starts = 0

    async def start(self) -> None:
        """Reads everything; returns when the cache is as new as the store was at the call. The store must be open."""
        target = await self.store.latest()
        watch = await self._load(self._replayed)
        while self.revision < target:
            self._apply(await watch.__anext__(), watch.revision)
        self._tasks.start(lambda: self._follow(watch), name="follow", policy="log")

    async def close(self) -> None:
        """Ends all watches."""
        await self._tasks.close()
        self._end_watches()

    def resource(self, group: str, plural: str, *, fields: Fields | None = None) -> ResourceCache:
        """The cache of one resource ("" or "core" for the legacy group), which need not have objects.

        `fields` are its selectable fields, besides metadata.name and metadata.namespace; give them once, before use.
        """
        place = (group or keys.CORE, plural)
        resource = self._resources.get(place)
        if resource is None:
            resource = self._resources[place] = ResourceCache(self, *place)
        if fields is not None:
            resource.configure(fields)
        return resource

    async def fresh(self) -> int:
        """Waits until every write acknowledged to anyone before the call is applied; the revision then.

        Over a store of this process the cache is never behind, and this does not wait. Raises the store's error when
        the cache has lost it.
        """
        target = await self.store.latest()
        if self.revision < target:
            await self.reached(target)
        return self.revision

    async def reached(self, revision: int) -> None:
        """Waits until `revision` is applied."""
        if self.failure is not None:
            raise self.failure.with_traceback(None)  # it would keep all that it was ever raised through
        if self.revision >= revision:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((revision, future))
        await future

    # Following

    async def _load(self, replayed: int) -> Watch:
        """Fills the cache with an earlier state, and returns a watch of what came after it."""
        base = max(1, await self.store.latest() - replayed)
        try:
            return await self._load_at(base)
        except Compacted as compacted:
            return await self._load_at(compacted.revision) if replayed else await self._load(0)

    async def _load_at(self, revision: int) -> Watch:
        watch = self.store.watch(keys.ROOT, keys.end(keys.ROOT), from_revision=revision)
        try:
            await self._fill(revision)
        except BaseException:
            watch.close()
            raise
        return watch

    async def _fill(self, revision: int) -> None:
        self._starts += 1
        self.revision = self.base = revision
        for resource in self._resources.values():
            resource.reset(revision)
        start, end = keys.ROOT, keys.end(keys.ROOT)
        while True:
            page = await self.store.range(start, end, limit=PAGE, revision=revision)
            self._share_out(page.items)
            if not page.more:
                return
            start = page.items[-1].key + "\0"

    def _share_out(self, items: Sequence[KeyValue]) -> None:
        for item in items:
            if (resource := self._holding(item.key)) is not None:
                resource.load((item,))

    def _holding(self, key: str) -> ResourceCache | None:
        """The resource that a key belongs to; None for one that is no object's, which the cache passes over."""
        parts = key.split("/", 4)
        if len(parts) < 5 or not parts[4]:
            return None
        return self._resources.get((parts[2], parts[3])) or self.resource(parts[2], parts[3])

    async def _follow(self, watch: Watch) -> None:
        while True:
            try:
                async for events in watch:
                    self._apply(events, watch.revision)
                return
            except Compacted:
                log.warning("watch cache fell behind the store's history and starts over revision=%d", self.revision)
                watch.close()
                watch = await self._load(0)
            except StoreError as error:
                self._fail(error)
                return

    def _apply(self, events: Iterable[Event], revision: int) -> None:
        touched: dict[ResourceCache, None] = {}
        for event in events:
            if (resource := self._holding(event.key)) is not None:
                resource.apply(event)
                touched[resource] = None
        self.revision = revision
        for delivery in [delivery for resource in touched for delivery in resource.deliveries()]:
            delivery.push()
        if self._waiting:
            self._release()

    def _release(self) -> None:
        waiting, self._waiting = self._waiting, []
        for revision, future in waiting:
            if revision > self.revision:
                self._waiting.append((revision, future))
            elif not future.done():
                future.set_result(None)

    def _fail(self, error: StoreError) -> None:
        log.error("watch cache lost its store error=%s", error)
        self.failure = error
        for _, future in self._waiting:
            if not future.done():
                future.set_exception(error)
        self._end_watches()

    def _end_watches(self) -> None:
        for resource in self._resources.values():
            resource.end_watches()

    def statistics(self) -> dict[str, Any]:
        """Figures for an operator, per resource as `group/plural`."""
        resources = {"/".join(place): resource.statistics() for place, resource in sorted(self._resources.items())}
        return {"revision": self.revision, "loads": self._starts, "resources": resources}
