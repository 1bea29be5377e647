"""The Endpoints controller: one object per Service with a selector, for readers that do not know slices."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api.kinds import core_v1, meta_v1
from sampan.controllers.context import Context
from sampan.controllers.endpoints.membership import Membership
from sampan.controllers.endpoints.slices import HEADLESS
from sampan.controllers.endpoints.subsets import subsets
from sampan.controllers.reconciler import Controller

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"


class EndpointsController(Controller):
    name = "endpoints"
    component = "endpoint-controller"
    workers = 4
    pace = 0.2

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.services = self.informer(core_v1.Service)
        self.members = context.share(Membership)
        self.endpoints = self.informer(core_v1.Endpoints)
        self.members.listen(self.enqueue)
        self.endpoints.add_handler(self._endpoints_changed)

    def _endpoints_changed(self, old: Any, new: Any) -> None:
        if new is None or (new.metadata.labels or {}).get(MANAGED_BY) == MANAGER:
            self.enqueue_self(old, new)

    async def reconcile(self, key: str) -> float | None:
        service = self.services.get(key)
        existing = self.endpoints.get(key)
        if service is None:
            if existing is not None and (existing.metadata.labels or {}).get(MANAGED_BY) == MANAGER:
                await self.write.delete(existing)
            return None
        if not service.spec.selector or service.metadata.deletionTimestamp is not None:
            return None
        made, truncated = subsets(service, self.members.pods_of(service))
        wanted = core_v1.Endpoints(metadata=_metadata(service, truncated), subsets=made or None)
        if existing is None:
            await self.write.create(wanted)
        elif _differ(existing, wanted):
            metadata = msgspec.structs.replace(
                existing.metadata, labels=wanted.metadata.labels, annotations=wanted.metadata.annotations
            )
            await self.write.update(msgspec.structs.replace(existing, metadata=metadata, subsets=wanted.subsets))
        return None


def _metadata(service: Any, truncated: bool) -> Any:
    labels = {key: value for key, value in (service.metadata.labels or {}).items() if key != HEADLESS}
    labels[MANAGED_BY] = MANAGER
    if service.spec.clusterIP == "None":
        labels[HEADLESS] = ""
    return meta_v1.ObjectMeta(
        name=service.metadata.name,
        namespace=service.metadata.namespace,
        labels=labels,
        annotations={OVER_CAPACITY: "truncated"} if truncated else None,
    )


def _differ(existing: Any, wanted: Any) -> bool:
    return (
        (existing.subsets or None) != wanted.subsets
        or existing.metadata.labels != wanted.metadata.labels
        or (existing.metadata.annotations or None) != wanted.metadata.annotations
    )
