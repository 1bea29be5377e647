"""The informers of one process, each resource watched once however many use it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any

from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.client.cache import Indexer
from sampan.client.informer import Informer, Trim
from sampan.client.interface import Client


class Informers:
    """`of(kind)` before or after `start`; an informer asked for later starts at once."""

    def __init__(self, client: Client, clock: Clock, rng: random.Random) -> None:
        self._client = client
        self._clock = clock
        self._rng = rng
        self._informers: dict[tuple[Any, str | None, str, Trim | None], Informer[Any]] = {}
        self._owner: TaskOwner | None = None
        self._tasks: dict[int, asyncio.Task[Any]] = {}

    def of(
        self,
        kind: Any,
        indexers: Mapping[str, Indexer] | None = None,
        *,
        namespace: str | None = None,
        fields: str = "",
        trim: Trim | None = None,
    ) -> Informer[Any]:
        """The shared informer of a struct class or `Resource`, with these indexes among others; of one namespace or a
        field selector's objects when given; of objects trimmed so."""
        key = (kind, namespace, fields, trim)
        informer = self._informers.get(key)
        if informer is None:
            informer = Informer(
                self._client, kind, self._clock, self._rng, namespace=namespace, fields=fields, trim=trim
            )
            self._informers[key] = informer
            if self._owner is not None:
                self._run(self._owner, informer)
        for name, indexer in (indexers or {}).items():
            informer.add_indexer(name, indexer)
        return informer

    def known(self, kind: Any) -> Informer[Any] | None:
        """The informer of all objects of a kind, whole, if there is one already."""
        return self._informers.get((kind, None, "", None))

    def start(self, owner: TaskOwner) -> None:
        """Runs every informer as a task of `owner`."""
        self._owner = owner
        for informer in self._informers.values():
            self._run(owner, informer)

    def drop(self, informer: Informer[Any]) -> None:
        """Stops and forgets an informer whose resource the server no longer has."""
        self._informers = {key: one for key, one in self._informers.items() if one is not informer}
        task = self._tasks.pop(id(informer), None)
        if task is not None:
            task.cancel()

    async def synced(self) -> None:
        """Returns once every informer has its first list."""
        for informer in list(self._informers.values()):
            await informer.synced()

    def statistics(self) -> dict[str, Any]:
        return {informer.kind_name(): informer.statistics() for informer in self._informers.values()}

    def _run(self, owner: TaskOwner, informer: Informer[Any]) -> None:
        self._tasks[id(informer)] = owner.start(informer.run, name=f"informer {informer.kind_name()}")
