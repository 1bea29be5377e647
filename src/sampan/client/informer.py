"""A local, indexed copy of one resource, kept current: list once, then watch.

A watch that ends is taken up again from the last revision seen; one that fails waits a growing, jittered time first;
one whose revision is too old (410 Gone) starts over with a list, and the difference between that list and what was
known is reported like any other change, deletions included. Handlers get `(old, new)`: `(None, new)` is an addition,
`(old, None)` a deletion. They must be quick and must not raise; usually they put a key on a queue.
Objects are shared: whoever wants to change one copies it first.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock
from sampan.api.errors import ApiError
from sampan.client.cache import Cache, Change, Indexer, key_of, metadata
from sampan.client.errors import ClientError
from sampan.client.interface import Client
from sampan.client.targets import target

log = logging.getLogger(__name__)
T = TypeVar("T")
Handler = Callable[[Any, Any], None]
Trim = Callable[[Any], None]
"""Drops from a new object what its readers do without."""

WATCH_SECONDS = 300.0
"""Shortest time a watch is asked to last; each asks for up to twice that, so that they do not end together."""

LASTING = 4
"""Failures in a row after which trouble is worth a warning; a server that restarts is not."""


class Informer(Generic[T]):
    """`kind` is a struct class or a `client.interface.Resource`; `indexers` map an index's name to a function from an
    object to its values; `trim` is for objects that are only read. `run` until cancelled; `synced` returns once the
    first list is in."""

    def __init__(
        self,
        client: Client,
        kind: Any,
        clock: Clock,
        rng: random.Random,
        namespace: str | None = None,
        labels: str = "",
        fields: str = "",
        indexers: Mapping[str, Indexer] | None = None,
        trim: Trim | None = None,
    ) -> None:
        self.kind = kind
        self._drop = trim
        self._client = client
        self._clock = clock
        self._rng = rng
        self._namespace = namespace
        self._labels = labels
        self._fields = fields
        self._cache: Cache[T] = Cache(dict(indexers or {}))
        self._handlers: list[Handler] = []
        self._synced = asyncio.Event()
        self._backoff = Backoff(base=0.2, cap=10.0, rng=rng, jitter=0.5)
        self.last_failure = float("-inf")
        """When (monotonic) the server last failed us: what has not been heard since then may just not have come."""
        self._lists = 0
        self._watches = 0
        self._events = 0

    async def run(self) -> None:
        """Keeps the copy current until cancelled; errors are logged and retried."""
        failures = 0
        resource_version: str | None = None
        while True:
            try:
                if resource_version is None:
                    resource_version = await self._relist()
                async for version in self._follow(resource_version):
                    resource_version = version
                    failures = 0
                failures = 0
            except (ApiError, ClientError) as error:
                self.last_failure = self._clock.monotonic()
                if isinstance(error, ApiError) and error.code == 410:
                    log.info("watch too old, listing again kind=%s", self.kind_name())
                    resource_version = None
                    if failures == 0:
                        failures = 1
                        continue
                failures += 1
                level = logging.WARNING if failures == LASTING else logging.INFO
                log.log(level, "informer retries kind=%s failures=%d error=%s", self.kind_name(), failures, error)
                await self._clock.sleep(self._backoff.delay(failures))

    async def synced(self) -> None:
        await self._synced.wait()

    @property
    def has_synced(self) -> bool:
        return self._synced.is_set()

    def get(self, key: str) -> T | None:
        """The object with that key (`namespace/name`, or `name`), as last heard of."""
        return self._cache.get(key)

    def keys(self) -> Iterable[str]:
        return self._cache.keys()

    def index(self, name: str, value: str) -> Sequence[T]:
        """The objects whose indexer gave that value."""
        return self._cache.index(name, value)

    def index_values(self, name: str) -> Iterable[str]:
        return self._cache.index_values(name)

    def add_indexer(self, name: str, indexer: Indexer) -> None:
        self._cache.add_indexer(name, indexer)

    def add_handler(self, handler: Handler) -> None:
        """Calls `handler` for every change from now on, and at once for every object already known."""
        self._handlers.append(handler)
        for obj in self._cache.list():
            handler(None, obj)

    def observe(self, obj: T) -> None:
        """Takes in what a write of our own returned, ahead of the watch."""
        self._trim(obj)
        self._report(self._cache.observe(obj))

    def observe_deleted(self, obj: Any, after: Any = None) -> None:
        """Takes in our own delete of `obj`: `after` is what the server answered, None when the object is gone."""
        if after is not None and (metadata(after, "deletionTimestamp") or metadata(after, "finalizers")):
            self.observe(after)
        else:
            self._report(self._cache.observe_deleted(key_of(obj), metadata(obj, "uid")))

    def list(self) -> Sequence[T]:
        return self._cache.list()

    def statistics(self) -> dict[str, Any]:
        return {
            "objects": len(self._cache),
            "revision": self._cache.revision,
            "lists": self._lists,
            "watches": self._watches,
            "events": self._events,
        }

    async def _relist(self) -> str:
        self._lists += 1
        listed = await self._client.list(
            self.kind, self._namespace, labels=self._labels, fields=self._fields, limit=2000
        )
        for obj in listed.items:
            self._trim(obj)
        self._report(self._cache.replace(listed.items, int(listed.resource_version or 0)))
        self._synced.set()
        return listed.resource_version

    async def _follow(self, resource_version: str) -> Any:
        """Applies a watch's events, yielding the revision reached after each."""
        self._watches += 1
        events = self._client.watch(
            self.kind,
            self._namespace,
            labels=self._labels,
            fields=self._fields,
            resource_version=resource_version,
            timeout_seconds=WATCH_SECONDS * (1 + self._rng.random()),
        )
        started = self._clock.monotonic()
        received = 0
        async for event in events:
            received += 1
            obj = event.object
            self._trim(obj)
            self._report(self._cache.apply(event.type, obj))
            yield metadata(obj, "resourceVersion") or resource_version
        self._events += received
        if not received and self._clock.monotonic() - started < 1.0:
            await self._clock.sleep(self._backoff.delay(1))

    def _report(self, changes: Iterable[Change[T]]) -> None:
        for old, new in changes:
            for handler in self._handlers:
                try:
                    handler(old, new)
                except Exception:
                    log.exception("informer handler failed kind=%s", self.kind_name())

    def kind_name(self) -> str:
        """The resource's name in the plural, for logs."""
        return target(self.kind).resource.plural

    def _trim(self, obj: Any) -> None:
        """Drops managedFields (half of many objects' size; an update without them keeps them), and what it was told."""
        if isinstance(obj, dict):
            obj.get("metadata", {}).pop("managedFields", None)
        elif getattr(obj.metadata, "managedFields", None) is not None:
            obj.metadata.managedFields = None
        if self._drop is not None:
            self._drop(obj)
