"""A watch on the metadata of every kind that can be deleted, sharing the informers that other controllers have."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sampan.api.errors import ApiError
from sampan.api.registry import builtin
from sampan.client.errors import ClientError
from sampan.client.informer import Informer
from sampan.client.interface import Resource, ServerResource
from sampan.controllers.context import Context
from sampan.controllers.discovery import Discovery

log = logging.getLogger(__name__)
NEEDED = frozenset({"list", "watch", "delete"})
SYNC_SECONDS = 30.0
IGNORED = frozenset({"events"})
Changed = Callable[[Informer[Any], Any, Any], None]


class Monitors:
    """`refresh` starts watching kinds that are new; `changed` is told of every change of every kind, `lost` of a kind
    that the server has no more."""

    def __init__(self, context: Context, changed: Changed, lost: Callable[[Informer[Any]], None]) -> None:
        self._context = context
        self._discovery = context.share(Discovery)
        self._changed = changed
        self._lost = lost
        self._informers: dict[tuple[str, str], Informer[Any]] = {}
        self._resources: dict[int, Resource] = {}
        self._kinds: dict[tuple[str, str], Resource] = {}

    async def refresh(self) -> bool:
        """Asks the server what it has; False when it could not be asked."""
        try:
            found = await self._discovery.resources()
        except (ApiError, ClientError) as error:
            log.warning("resources not discovered error=%s", error)
            return False
        self._kinds = {(one.resource.group, one.resource.kind): one.resource for one in found}
        present = {(one.resource.group, one.resource.plural): one.resource for one in watchable(found)}
        for key, resource in present.items():
            if key not in self._informers:
                self._watch(key, resource)
        for key in self._informers.keys() - present.keys():
            self._forget(key)
        return True

    async def synced(self) -> None:
        """Returns once every kind is known, or after half a minute: one kind that cannot be listed must not keep all
        others from being collected, and no owner counts as gone before the server has said so."""
        try:
            await self._context.clock.wait_for(self._all_synced(), SYNC_SECONDS)
        except TimeoutError:
            missing = [informer.kind_name() for informer in self._informers.values() if not informer.has_synced]
            log.warning("kinds not listed in time kinds=%s", ",".join(missing))

    async def _all_synced(self) -> None:
        for informer in list(self._informers.values()):
            await informer.synced()

    def resource_of(self, informer: Any) -> Resource:
        return self._resources[id(informer)]

    def resource_for(self, group: str, kind: str) -> Resource | None:
        """The resource whose objects have that kind, as the server has it."""
        return self._kinds.get((group, kind))

    @property
    def kinds(self) -> frozenset[tuple[str, str]]:
        """Group and kind of everything the server has."""
        return frozenset(self._kinds)

    def __len__(self) -> int:
        return len(self._informers)

    def _watch(self, key: tuple[str, str], resource: Resource) -> None:
        informer = self._shared(resource) or self._context.informers.of(replace(resource, metadata_only=True))
        self._informers[key] = informer
        self._resources[id(informer)] = resource
        informer.add_handler(lambda old, new: self._changed(informer, old, new))

    def _forget(self, key: tuple[str, str]) -> None:
        """A kind that the server does not name any more, for good or because a server behind it is away: so its objects
        do not count as gone, and nothing that they own goes (as a CustomResourceDefinition does, they went before)."""
        informer = self._informers.pop(key)
        self._lost(informer)
        self._resources.pop(id(informer), None)
        if isinstance(informer.kind, Resource):
            self._context.informers.drop(informer)

    def _shared(self, resource: Resource) -> Informer[Any] | None:
        """The informer of whole objects that another controller has already."""
        try:
            struct = builtin().resource(resource.group, resource.version, resource.plural).struct
        except KeyError:
            return None
        return self._context.informers.known(struct)


def watchable(found: Sequence[ServerResource]) -> list[ServerResource]:
    return [one for one in found if one.verbs >= NEEDED and one.resource.plural not in IGNORED]
