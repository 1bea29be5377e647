"""Telling pods that a ConfigMap or Secret they show has changed: one watch for each object, however many pods show it.

A watch follows the object's metadata only, and lasts as long as a pod asks for it. It tells of versions that nobody
here has read yet, so the list it begins with wakes nobody in vain.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import Any

from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.client.informer import Informer
from sampan.client.interface import Client, Resource
from sampan.volumes.references import Reference

Wake = Callable[[], None]


class ObjectChanges:
    """`read_version` gives the resourceVersion of an object as it was last read here, None when it was not there."""

    def __init__(
        self, client: Client, clock: Clock, rng: random.Random, read_version: Callable[[Reference], str | None]
    ) -> None:
        self._client = client
        self._clock = clock
        self._rng = rng
        self._read_version = read_version
        self._owner = TaskOwner("shown objects")
        self._followers: dict[Reference, dict[str, Wake]] = {}
        self._watches: dict[Reference, asyncio.Task[Any]] = {}

    def follow(self, uid: str, references: Iterable[Reference], wake: Wake) -> None:
        """Calls `wake` when one of these changes, and of nothing else that the pod followed before."""
        wanted = set(references)
        for reference in [known for known, pods in self._followers.items() if uid in pods and known not in wanted]:
            self._leave(reference, uid)
        for reference in wanted:
            self._followers.setdefault(reference, {})[uid] = wake
            if reference not in self._watches:
                self._watches[reference] = self._watch(reference)

    def forget(self, uid: str) -> None:
        self.follow(uid, (), lambda: None)

    def is_followed(self, reference: Reference) -> bool:
        return reference in self._followers

    async def close(self) -> None:
        await self._owner.close()

    def statistics(self) -> dict[str, Any]:
        return {"watches": len(self._watches)}

    def _leave(self, reference: Reference, uid: str) -> None:
        pods = self._followers[reference]
        del pods[uid]
        if not pods:
            del self._followers[reference]
            self._watches.pop(reference).cancel()

    def _watch(self, reference: Reference) -> asyncio.Task[Any]:
        resource = Resource("", "v1", reference.plural, True, metadata_only=True)
        informer: Informer[Any] = Informer(
            self._client,
            resource,
            self._clock,
            self._rng,
            namespace=reference.namespace,
            fields=f"metadata.name={reference.name}",
        )
        informer.add_handler(lambda _, new: self._changed(reference, new))
        return self._owner.start(informer.run, name=f"watch {'/'.join(reference)}", policy="log")

    def _changed(self, reference: Reference, new: Any) -> None:
        version = new["metadata"]["resourceVersion"] if new is not None else None
        if version != self._read_version(reference):
            for wake in list(self._followers.get(reference, {}).values()):
                wake()
