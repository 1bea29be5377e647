"""The edge of the quota controller: recounts a namespace when what it holds changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from sampan.api.errors import NotFound
from sampan.api.kinds import core_v1, resource_v1
from sampan.api.quota import scopes, usage
from sampan.client.cache import key_of, metadata
from sampan.client.informer import Informer
from sampan.controllers import conditions
from sampan.controllers.context import Context
from sampan.controllers.discovery import Discovery
from sampan.controllers.ownership import by_namespace
from sampan.controllers.reconciler import Controller
from sampan.controllers.replicaset.controller import namespace_ends


def namespace_of(obj: Any) -> list[str]:
    """Indexer for structs and dicts."""
    return [metadata(obj, "namespace") or ""]


class ResourceQuotaController(Controller):
    name = "resourcequota"
    component = "resourcequota-controller"
    workers = 2
    pace = 0.5

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.discovery = context.share(Discovery)
        self.quotas = self.informer(core_v1.ResourceQuota, namespace=by_namespace)
        self.pods = self.informer(core_v1.Pod, namespace=by_namespace)
        self.services = self.informer(core_v1.Service, namespace=by_namespace)
        self.claims = self.informer(core_v1.PersistentVolumeClaim, namespace=by_namespace)
        self._counted: dict[tuple[str, str], Informer[Any]] = {}
        self._claimed: Informer[Any] | None = None
        self.quotas.add_handler(self.enqueue_self)
        self.pods.add_handler(self._when_changed(usage.pod))
        self.services.add_handler(self._when_changed(usage.service))
        self.claims.add_handler(self._when_changed(usage.claim))

    def _when_changed(self, of: Callable[[Any], usage.Usage]) -> Callable[[Any, Any], None]:
        """A handler that asks for a recount when an object's own usage has changed."""

        def changed(old: Any, new: Any) -> None:
            quotas = self.quotas.index("namespace", (new or old).metadata.namespace)
            if quotas and (old is None or new is None or of(old) != of(new)):
                self._recount(quotas)

        return changed

    def _number_changed(self, old: Any, new: Any) -> None:
        if old is None or new is None:
            self._recount(self.quotas.index("namespace", metadata(new or old, "namespace")))

    def _recount(self, quotas: Any) -> None:
        for quota in quotas:
            self.enqueue(key_of(quota))

    async def reconcile(self, key: str) -> float | None:
        quota = self.quotas.get(key)
        if quota is None or quota.metadata.deletionTimestamp is not None:
            return None
        hard = quota.spec.hard or {}
        used = usage.total([*self._usages(quota), *await self._devices(quota)], hard)
        for name in hard:
            resource = usage.counted_resource(name)
            if resource is not None and not scopes.is_scoped(quota):
                used[name] = str(await self._count(*resource, quota.metadata.namespace))
        await self._write(quota, core_v1.ResourceQuotaStatus(hard=hard or None, used=used or None))
        return None

    def _usages(self, quota: Any) -> list[usage.Usage]:
        namespace = quota.metadata.namespace
        pods = self.pods.index("namespace", namespace)
        found = [usage.pod(pod) for pod in pods if scopes.concerns(quota, pod)]
        if not scopes.is_scoped(quota):
            found += [usage.service(one) for one in self.services.index("namespace", namespace)]
        claims = self.claims.index("namespace", namespace)
        found += [usage.claim(one) for one in claims if scopes.concerns(quota, one, "persistentvolumeclaims")]
        return found

    async def _devices(self, quota: Any) -> list[usage.Usage]:
        """What resource claims ask for; they are watched from the first quota on that limits devices."""
        if scopes.is_scoped(quota) or not any(name.endswith(usage.DEVICES) for name in quota.spec.hard or ()):
            return []
        if self._claimed is None:
            self._claimed = self.informer(resource_v1.ResourceClaim, namespace=by_namespace)
            await self._claimed.synced()
            self._claimed.add_handler(self._when_changed(usage.resource_claim))
        return [usage.resource_claim(one) for one in self._claimed.index("namespace", quota.metadata.namespace)]

    async def _count(self, group: str, plural: str, namespace: str) -> int:
        """How many objects of a resource there are; it is watched from the first time it is asked for."""
        informer = self._counted.get((group, plural))
        if informer is None:
            found = await self.discovery.resources()
            match = [one.resource for one in found if (one.resource.group, one.resource.plural) == (group, plural)]
            if not match:
                return 0
            target = replace(match[0], metadata_only=True)
            informer = self.context.informers.of(target, {"namespace": namespace_of})
            self._counted[group, plural] = informer
            await informer.synced()
            informer.add_handler(self._number_changed)
        return len(informer.index("namespace", namespace))

    async def _write(self, quota: Any, status: Any) -> None:
        if conditions.same(status, quota.status):
            return
        try:
            await self.write.update_status(msgspec.structs.replace(quota, status=status))
        except NotFound:
            return
        except Exception as error:
            if not namespace_ends(error):
                raise
