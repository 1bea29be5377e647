"""The EndpointSlice mirroring controller: Endpoints that users write by hand become slices, which is what proxies read.

Only Endpoints of a Service without selector are mirrored, unless labelled `endpointslice.kubernetes.io/skip-mirror`.
Rules: Services concepts page, "Services without selectors"; KEP-1412.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api.kinds import core_v1, discovery_v1, meta_v1
from sampan.client.cache import key_of
from sampan.controllers.context import Context
from sampan.controllers.endpoints.facts import Ports
from sampan.controllers.endpoints.packing import Layout, pack
from sampan.controllers.endpoints.slices import ADDRESS_TYPES, MANAGED_BY, SERVICE_NAME
from sampan.controllers.endpoints.triggers import annotated
from sampan.controllers.ownership import reference_to
from sampan.controllers.reconciler import Controller

MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
LEADER = "control-plane.alpha.kubernetes.io/leader"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
LIMIT = 1000
Desired = dict[str, dict[Ports, list[Any]]]


def mirrored(endpoints: Any, service: Any) -> bool:
    """Whether these Endpoints are to be mirrored. Pure."""
    if endpoints is None or service is None or service.spec.selector or service.spec.type == "ExternalName":
        return False
    meta = endpoints.metadata
    skipped = (meta.labels or {}).get(SKIP) == "true" or LEADER in (meta.annotations or {})
    return not skipped and meta.deletionTimestamp is None


def desired(endpoints: Any) -> Desired:
    """The endpoints by address type and ports, at most 1,000 of each subset. Pure."""
    found: Desired = {type: {} for type in ADDRESS_TYPES}
    for subset in endpoints.subsets or ():
        ports: Ports = tuple((p.name or "", p.protocol or "TCP", p.port, p.appProtocol) for p in subset.ports or ())
        listed = [(one, True) for one in subset.addresses or ()]
        listed += [(one, False) for one in subset.notReadyAddresses or ()]
        for address, ready in listed[:LIMIT]:
            type = "IPv6" if ":" in address.ip else "IPv4"
            found[type].setdefault(ports, []).append(_endpoint(address, ready))
    return found


def _endpoint(address: Any, ready: bool) -> Any:
    return discovery_v1.Endpoint(
        addresses=[address.ip],
        conditions=discovery_v1.EndpointConditions(ready=ready),
        hostname=address.hostname,
        nodeName=address.nodeName,
        targetRef=address.targetRef,
    )


def labels_for(endpoints: Any) -> dict[str, str]:
    own = {SERVICE_NAME: endpoints.metadata.name, MANAGED_BY: MANAGER}
    return {**(endpoints.metadata.labels or {}), **own}


def annotations_for(endpoints: Any) -> dict[str, str] | None:
    kept = annotated(endpoints.metadata.annotations, None) or {}
    return {name: value for name, value in kept.items() if name != LAST_APPLIED} or None


def by_endpoints(one: Any) -> list[str]:
    """Indexer: the key of the Endpoints that a slice of ours mirrors."""
    labels = one.metadata.labels or {}
    if labels.get(MANAGED_BY) != MANAGER or SERVICE_NAME not in labels:
        return []
    return [f"{one.metadata.namespace}/{labels[SERVICE_NAME]}"]


class EndpointSliceMirroringController(Controller):
    name = "endpointslice-mirroring"
    component = "endpoint-slice-mirroring-controller"
    workers = 2
    pace = 0.2

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.services = self.informer(core_v1.Service)
        self.endpoints = self.informer(core_v1.Endpoints)
        self.slices = self.informer(discovery_v1.EndpointSlice, mirror=by_endpoints)
        self.services.add_handler(self._service_changed)
        self.endpoints.add_handler(self._endpoints_changed)
        self.slices.add_handler(self._slice_changed)

    def _service_changed(self, old: Any, new: Any) -> None:
        """A Service that gains or loses its selector."""
        if old is None or new is None or bool(old.spec.selector) != bool(new.spec.selector):
            key = key_of(new or old)
            if self.endpoints.get(key) is not None or self.slices.index("mirror", key):
                self.enqueue(key)

    def _endpoints_changed(self, old: Any, new: Any) -> None:
        key = key_of(new or old)
        service = self.services.get(key)
        if (service is not None and not service.spec.selector) or self.slices.index("mirror", key):
            self.enqueue(key)

    def _slice_changed(self, old: Any, new: Any) -> None:
        for one in (old, new):
            for key in by_endpoints(one) if one is not None else ():
                self.enqueue(key)

    async def reconcile(self, key: str) -> float | None:
        endpoints = self.endpoints.get(key)
        existing = list(self.slices.index("mirror", key))
        if not mirrored(endpoints, self.services.get(key)):
            for one in existing:
                await self.write.delete(one)
            return None
        for address_type, wanted in desired(endpoints).items():
            mine = [one for one in existing if one.addressType == address_type]
            await self._reconcile_type(endpoints, address_type, mine, wanted)
        return None

    async def _reconcile_type(
        self, endpoints: Any, address_type: str, existing: list[Any], wanted: dict[Ports, list[Any]]
    ) -> None:
        """Unlike a Service's own slices, mirrored ones leave none behind when there is nothing to mirror."""
        if not wanted:
            for one in existing:
                await self.write.delete(one)
            return
        packing = pack(existing, wanted)
        labels, annotations = labels_for(endpoints), annotations_for(endpoints)
        for layout in packing.write:
            await self._write(endpoints, address_type, labels, annotations, layout)
        for one in packing.unchanged:
            if one.metadata.labels != labels or (one.metadata.annotations or None) != annotations:
                metadata = msgspec.structs.replace(one.metadata, labels=labels, annotations=annotations)
                await self.write.update(msgspec.structs.replace(one, metadata=metadata))
        for one in packing.delete:
            await self.write.delete(one)

    async def _write(
        self,
        endpoints: Any,
        address_type: str,
        labels: dict[str, str],
        annotations: dict[str, str] | None,
        layout: Layout,
    ) -> None:
        ports = [
            discovery_v1.EndpointPort(name=name, protocol=protocol, port=number, appProtocol=application)
            for name, protocol, number, application in layout.ports
        ]
        if layout.of is not None:
            metadata = msgspec.structs.replace(layout.of.metadata, labels=labels, annotations=annotations)
            changed = msgspec.structs.replace(layout.of, metadata=metadata, endpoints=layout.endpoints, ports=ports)
            await self.write.update(changed)
            return
        metadata = meta_v1.ObjectMeta(
            generateName=f"{endpoints.metadata.name}-",
            namespace=endpoints.metadata.namespace,
            labels=labels,
            annotations=annotations,
            ownerReferences=[reference_to(endpoints)],
        )
        made = discovery_v1.EndpointSlice(
            metadata=metadata, addressType=address_type, endpoints=layout.endpoints, ports=ports
        )
        await self.write.create_once(f"{endpoints.metadata.uid}/{address_type}", made)
