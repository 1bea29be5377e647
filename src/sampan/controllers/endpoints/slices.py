"""The EndpointSlice controller: every Service with a selector has slices that say where it is served."""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from sampan.api.errors import ApiError
from sampan.api.kinds import core_v1, discovery_v1, meta_v1
from sampan.client.cache import key_of
from sampan.controllers.context import Context
from sampan.controllers.endpoints import facts, zoneshares
from sampan.controllers.endpoints.membership import Membership
from sampan.controllers.endpoints.packing import Layout, pack
from sampan.controllers.endpoints.triggers import Triggers, annotated
from sampan.controllers.endpoints.zonehints import ZoneHints, carry_over
from sampan.controllers.ownership import reference_to
from sampan.controllers.reconciler import Controller
from sampan.controllers.replicaset.controller import namespace_ends

log = logging.getLogger(__name__)

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
HEADLESS = "service.kubernetes.io/headless"
MANAGER = "endpointslice-controller.k8s.io"
MISSING_NODE_SECONDS = 5.0
"""When to look again at pods whose node is not known."""
ZONED = "zoned"
ADDRESS_TYPES = ("IPv4", "IPv6")
PLAIN = frozenset({SERVICE_NAME, MANAGED_BY, HEADLESS})


class EndpointSliceController(Controller):
    name = "endpointslice"
    component = "endpoint-slice-controller"
    workers = 8
    pace = 0.1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.services = self.informer(core_v1.Service, zoned=by_topology_mode)
        self.nodes = self.informer(core_v1.Node)
        self.members = context.share(Membership)
        self.slices = self.informer(discovery_v1.EndpointSlice, service=by_service)
        self.triggers = Triggers()
        self.hints = ZoneHints()
        self.members.listen(self.enqueue)
        self.nodes.add_handler(self._node_changed)
        self.slices.add_handler(self._slice_changed)

    def _slice_changed(self, old: Any, new: Any) -> None:
        for one in (old, new):
            for key in by_service(one) if one is not None else ():
                self.enqueue(key)

    def _node_changed(self, old: Any, new: Any) -> None:
        if self.hints.node_changed(old, new):
            for service in self.services.index("zoned", ZONED):
                self.enqueue(key_of(service))

    async def reconcile(self, key: str) -> float | None:
        service = self.services.get(key)
        if service is None:
            self.triggers.forget(key)
            for type in ADDRESS_TYPES:
                self.hints.forget(f"{key} {type}")
            return None
        if not service.spec.selector or service.metadata.deletionTimestamp is not None:
            return None
        try:
            return await self._bring_up_to_date(key, service)
        except ApiError as error:
            if namespace_ends(error):
                return None
            message = f"Error updating Endpoint Slices for Service {key}: {error}"
            self.events.event(service, "Warning", "FailedToUpdateEndpointSlices", message)
            raise

    async def _bring_up_to_date(self, key: str, service: Any) -> float | None:
        pods = self.members.pods_of(service)
        trigger, found = self.triggers.look(key, service, pods)
        existing = self.slices.index("service", key)
        types = facts.address_types(service)
        for one in existing:
            if one.addressType not in types:
                await self.write.delete(one)
        for type in types:
            await self._reconcile_type(service, type, [s for s in existing if s.addressType == type], trigger)
        self.triggers.note(key, found)
        return MISSING_NODE_SECONDS if any(self._is_lost(service, pod) for pod in pods) else None

    async def _reconcile_type(self, service: Any, address_type: str, existing: list[Any], trigger: str | None) -> None:
        zoned = zoneshares.asked_for(service)
        desired = self._desired(service, address_type, zoned)
        if zoned:
            carry_over(existing, desired.values())
        packing = pack(existing, desired)
        told = self.hints.hint(f"{key_of(service)} {address_type}", zoned, packing)
        labels = labels_for(service)
        for layout in packing.write:
            await self._write(service, address_type, labels, layout, trigger)
        for one in packing.unchanged:
            if one.metadata.labels != labels:
                await self._update(one, labels, trigger)
        for one in packing.delete:
            await self.write.delete(one)
        if told is not None:
            type, reason, message = told
            self.events.event(service, type, reason, f"{message}, addressType: {address_type}")

    def _desired(self, service: Any, address_type: str, zoned: bool) -> dict[facts.Ports, list[Any]]:
        desired: dict[facts.Ports, list[Any]] = {}
        for pod in self.members.pods_of(service):
            if self._is_lost(service, pod):
                continue
            made = facts.endpoint(service, pod, address_type, self._zone(pod), hinted=not zoned)
            if made is not None:
                desired.setdefault(facts.ports(service, pod), []).append(made)
        return desired

    def _is_lost(self, service: Any, pod: Any) -> bool:
        """Its node is not there (yet, or any more): nobody knows where the pod is, unless it is wanted regardless."""
        known = self.nodes.get(pod.spec.nodeName or "") is not None
        return not known and bool(facts.addresses(pod)) and not service.spec.publishNotReadyAddresses

    def _zone(self, pod: Any) -> str | None:
        node = self.nodes.get(pod.spec.nodeName or "")
        return (node.metadata.labels or {}).get(facts.ZONE) if node is not None else None

    async def _write(
        self, service: Any, address_type: str, labels: dict[str, str], layout: Layout, trigger: str | None
    ) -> None:
        ports = [
            discovery_v1.EndpointPort(name=name, protocol=protocol, port=number, appProtocol=application)
            for name, protocol, number, application in layout.ports
        ]
        if layout.of is not None:
            await self._update(layout.of, labels, trigger, endpoints=layout.endpoints, ports=ports)
            return
        metadata = meta_v1.ObjectMeta(
            generateName=f"{service.metadata.name}-",
            namespace=service.metadata.namespace,
            labels=labels,
            annotations=annotated(None, trigger),
            ownerReferences=[reference_to(service)],
        )
        made = discovery_v1.EndpointSlice(
            metadata=metadata, addressType=address_type, endpoints=layout.endpoints, ports=ports
        )
        await self.write.create_once(service.metadata.uid, made)

    async def _update(self, one: Any, labels: dict[str, str], trigger: str | None, **changes: Any) -> None:
        annotations = annotated(one.metadata.annotations, trigger)
        metadata = msgspec.structs.replace(one.metadata, labels=labels, annotations=annotations)
        await self.write.update(msgspec.structs.replace(one, metadata=metadata, **changes))


def by_topology_mode(service: Any) -> list[str]:
    """Indexer: Services that want topology aware hints."""
    return [ZONED] if zoneshares.asked_for(service) else []


def by_service(one: Any) -> list[str]:
    """Indexer: the key of the Service a slice of ours belongs to."""
    labels = one.metadata.labels or {}
    if labels.get(MANAGED_BY) != MANAGER or SERVICE_NAME not in labels:
        return []
    return [f"{one.metadata.namespace}/{labels[SERVICE_NAME]}"]


def labels_for(service: Any) -> dict[str, str]:
    """The Service's labels and those that say whose slice this is."""
    labels = {key: value for key, value in (service.metadata.labels or {}).items() if key not in PLAIN}
    labels |= {SERVICE_NAME: service.metadata.name, MANAGED_BY: MANAGER}
    if service.spec.clusterIP == "None":
        labels[HEADLESS] = ""
    return labels
