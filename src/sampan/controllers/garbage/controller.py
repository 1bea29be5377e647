"""The edge of the garbage collector: watch everything, look at what may have lost its owners, act."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from sampan.aio.tasks import TaskOwner
from sampan.api.errors import NotFound
from sampan.api.kinds import core_v1
from sampan.client.cache import metadata
from sampan.client.informer import Informer
from sampan.client.interface import Resource
from sampan.controllers.context import Context
from sampan.controllers.garbage import decide
from sampan.controllers.garbage.decide import State, Verdict
from sampan.controllers.garbage.facts import Facts, Owner, facts, references
from sampan.controllers.garbage.graph import Graph
from sampan.controllers.garbage.monitors import Monitors
from sampan.controllers.reconciler import Controller

log = logging.getLogger(__name__)
REFRESH_SECONDS = 60.0
FIRST_TRIES_SECONDS = 2.0


class GarbageCollector(Controller):
    """Its keys are uids."""

    name = "garbage-collector"
    component = "garbage-collector-controller"
    workers = 16

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.graph = Graph()
        self.monitors = Monitors(context, self._changed, self.graph.lose)
        self._complete = False

    def start(self, owner: TaskOwner) -> None:
        owner.start(self._keep_watching, name=f"{self.name} monitors", policy="restart")
        super().start(owner)

    def statistics(self) -> dict[str, Any]:
        return {**super().statistics(), "objects": len(self.graph), "kinds": len(self.monitors)}

    async def _keep_watching(self) -> None:
        while not await self.monitors.refresh():
            await self.clock.sleep(FIRST_TRIES_SECONDS)
        known: frozenset[Any] = frozenset()
        while True:
            if self.monitors.kinds - known:
                await self._look_at_doubts()
            known = self.monitors.kinds
            await self.clock.sleep(REFRESH_SECONDS)
            await self.monitors.refresh()

    async def _look_at_doubts(self) -> None:
        """What is owned by a kind that was unknown until now could not be judged before."""
        await self.monitors.synced()
        self._complete = True
        for uid in self.graph.in_doubt():
            self.queue.add(uid)

    def _changed(self, informer: Informer[Any], old: Any, new: Any) -> None:
        """Before all kinds are known an owner that is missing means nothing: those are looked at together later."""
        found = self.graph.remove(old) if new is None else self.graph.put(informer, old, new)
        for uid in found:
            if self._complete or self._is_marked(uid):
                self.queue.add(uid)

    def _is_marked(self, uid: str) -> bool:
        known = self.graph.facts(uid)
        return known is not None and known.going

    async def reconcile(self, key: str) -> float | None:
        obj = self.graph.object(key)
        if obj is None:
            return None
        if not self._complete:
            return FIRST_TRIES_SECONDS
        item = facts(obj)
        dependents = self.graph.dependents(key)
        if item.going:
            verdict = decide.going(item, dependents)
        else:
            states = [(owner, await self._state(item, owner)) for owner in item.owners]
            verdict = decide.owned(item, states, dependents)
        try:
            await self._carry_out(obj, item, verdict)
        except NotFound:
            log.debug("gone before it was collected name=%s", item.name)
        return None

    async def _state(self, item: Facts, owner: Owner) -> State:
        """By what is known, else by asking: an owner is only gone when the server says so."""
        known = self.graph.facts(owner.uid)
        if known is not None and known.namespace in (None, item.namespace):
            return State.WAITS if known.waits else State.STANDS
        if known is not None:
            self._tell_of_namespace(item, owner)
        if known is None and self.graph.is_gone(owner.uid):
            return State.GONE
        return await self._ask(item, owner)

    async def _ask(self, item: Facts, owner: Owner) -> State:
        resource = self.monitors.resource_for(owner.group, owner.kind)
        if resource is None or (resource.namespaced and item.namespace is None):
            log.info("owner cannot be looked up name=%s owner=%s/%s", item.name, owner.kind, owner.name)
            return State.STANDS
        target = replace(resource, metadata_only=True)
        try:
            found = await self.client.get(target, owner.name, item.namespace if resource.namespaced else None)
        except NotFound:
            found = None
        if found is not None and metadata(found, "uid") == owner.uid:
            return State.WAITS if facts(found).waits else State.STANDS
        if self.graph.facts(owner.uid) is None:
            self.graph.note_gone(owner.uid)
        return State.GONE

    def _tell_of_namespace(self, item: Facts, owner: Owner) -> None:
        """An owner in another namespace is none (API reference, OwnerReference)."""
        resource = self.monitors.resource_of(self.graph.cache_of(item.uid))
        about = core_v1.ObjectReference(
            kind=resource.kind,
            apiVersion=resource.api_version,
            namespace=item.namespace,
            name=item.name,
            uid=item.uid,
        )
        namespace = item.namespace or ""
        named = f"{owner.api_version}/{owner.kind}, namespace: {namespace}, name: {owner.name}, uid: {owner.uid}"
        message = f'ownerRef [{named}] does not exist in namespace "{namespace}"'
        self.events.event(about, "Warning", "OwnerRefInvalidNamespace", message)

    async def _carry_out(self, obj: Any, item: Facts, verdict: Verdict) -> None:
        resource = self.monitors.resource_of(self.graph.cache_of(item.uid))
        if verdict.drop:
            await self._patch(resource, item, {"ownerReferences": references(obj, without=verdict.drop) or None})
        if verdict.delete is not None:
            if verdict.unblock:
                await self._patch(resource, item, {"ownerReferences": references(obj, unblocked=True)})
            await self.client.delete(
                resource,
                item.name,
                item.namespace,
                uid=item.uid,
                resource_version=None if verdict.unblock else item.version,
                propagation_policy=verdict.delete,
            )
        for dependent in verdict.orphan:
            await self._cut_loose(dependent, item.uid)
        if verdict.finish is not None:
            await self._finish(resource, item, verdict.finish)

    async def _cut_loose(self, dependent: Facts, owner_uid: str) -> None:
        obj, cache = self.graph.object(dependent.uid), self.graph.cache_of(dependent.uid)
        if obj is None or cache is None:
            return
        kept = references(obj, without=frozenset({owner_uid}))
        try:
            await self._patch(self.monitors.resource_of(cache), dependent, {"ownerReferences": kept or None})
        except NotFound:
            log.debug("gone before it was orphaned name=%s", dependent.name)

    async def _finish(self, resource: Resource, item: Facts, finalizer: str) -> None:
        kept = [name for name in item.finalizers if name != finalizer]
        await self._patch(resource, item, {"finalizers": kept or None})

    async def _patch(self, resource: Resource, item: Facts, fields: dict[str, Any]) -> None:
        """Patches that very state of the object: a conflict brings it back here once the cache has caught up."""
        meta = {**fields, "uid": item.uid, "resourceVersion": item.version}
        target = replace(resource, metadata_only=True)
        await self.client.patch(target, item.name, item.namespace, {"metadata": meta}, type="merge")
