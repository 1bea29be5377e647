"""The Endpoints controller: one object per Service with a selector, for readers that do not know slices."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api.errors import ApiError
from sampan.api.kinds import core_v1, meta_v1
from sampan.controllers.context import Context
from sampan.controllers.endpoints.membership import Membership
from sampan.controllers.endpoints.slices import HEADLESS
from sampan.controllers.endpoints.subsets import subsets
from sampan.controllers.endpoints.triggers import Triggers, annotated
from sampan.controllers.reconciler import Controller
from sampan.controllers.replicaset.controller import namespace_ends

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
        self.triggers = Triggers()
        self.members.listen(self.enqueue)
        self.endpoints.add_handler(self._endpoints_changed)

    def _endpoints_changed(self, old: Any, new: Any) -> None:
        if new is None or (new.metadata.labels or {}).get(MANAGED_BY) == MANAGER:
            self.enqueue_self(old, new)

    async def reconcile(self, key: str) -> float | None:
        service = self.services.get(key)
        existing = self.endpoints.get(key)
        if service is None:
            self.triggers.forget(key)
            if existing is not None and (existing.metadata.labels or {}).get(MANAGED_BY) == MANAGER:
                await self.write.delete(existing)
            return None
        if not service.spec.selector or service.metadata.deletionTimestamp is not None:
            return None
        pods = self.members.pods_of(service)
        trigger, found = self.triggers.look(key, service, pods)
        made, truncated = subsets(service, pods)
        wanted = core_v1.Endpoints(metadata=_metadata(service, truncated), subsets=made or None)
        try:
            await self._put(existing, wanted, trigger)
        except ApiError as error:
            if namespace_ends(error):
                return None
            self.events.event(wanted, "Warning", *_failure(key, existing is None, error))
            raise
        self.triggers.note(key, found)
        return None

    async def _put(self, existing: Any, wanted: Any, trigger: str | None) -> None:
        if existing is None:
            wanted.metadata.annotations = annotated(wanted.metadata.annotations, trigger)
            await self.write.create(wanted)
        elif _differ(existing, wanted):
            await self.write.update(_changed(existing, wanted, trigger))


def _failure(key: str, creating: bool, error: ApiError) -> tuple[str, str]:
    if creating:
        return "FailedToCreateEndpoint", f"Failed to create endpoint for service {key}: {error}"
    return "FailedToUpdateEndpoint", f"Failed to update endpoint {key}: {error}"


def _changed(existing: Any, wanted: Any, trigger: str | None) -> Any:
    """Annotations of others stay."""
    others = {name: value for name, value in (existing.metadata.annotations or {}).items() if name != OVER_CAPACITY}
    annotations = annotated(others | (wanted.metadata.annotations or {}), trigger)
    metadata = msgspec.structs.replace(existing.metadata, labels=wanted.metadata.labels, annotations=annotations)
    return msgspec.structs.replace(existing, metadata=metadata, subsets=wanted.subsets)


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
        or _over_capacity(existing) != _over_capacity(wanted)
    )


def _over_capacity(endpoints: Any) -> str | None:
    return (endpoints.metadata.annotations or {}).get(OVER_CAPACITY)
