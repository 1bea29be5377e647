"""What the repair of addresses and ports tells users: Events, under the reasons and components upstream has for them.

An Event's name follows from what it says, so that a trouble that stays is told once and not at each look.
"""

from __future__ import annotations

import zlib
from typing import Any

from sampan.aio.clock import timestamp
from sampan.api.kinds import core_v1, meta_v1
from sampan.apiserver.allocation import families

ADDRESSES = "ipallocator-repair-controller"
PORTS = "portallocator-repair-controller"


def address_not_recorded(service: Any, address: str) -> Any:
    family = families.family_of(address)
    return _event(
        ADDRESSES, service, "ClusterIPNotAllocated", f"Cluster IP [{family}]: {address} is not allocated; repairing"
    )


def address_of_another(service: Any, address: str) -> Any:
    where = f"{service.namespace}/{service.name}"
    text = (
        f"the ClusterIP [{families.family_of(address)}]: {address} for Service {where} has a wrong reference; repairing"
    )
    return _event(ADDRESSES, service, "ClusterIPNotAllocated", text)


def address_twice(service: Any, address: str) -> Any:
    family = families.family_of(address)
    text = f"Cluster IP [{family}]: {address} was assigned to multiple services; please recreate service"
    return _event(ADDRESSES, service, "ClusterIPAlreadyAllocated", text)


def address_of_nobody(record: Any, owner: str) -> Any:
    text = f"IPAddress: {record.name} for Service {owner} appears to have leaked: cleaning up"
    return _event(ADDRESSES, record, "IPAddressNotAllocated", text)


def port_not_recorded(service: Any, port: str) -> Any:
    return _event(PORTS, service, "PortNotAllocated", f"Port {port} is not allocated; repairing")


def port_twice(service: Any, port: str) -> Any:
    text = f"Port {port} was assigned to multiple services; please recreate service"
    return _event(PORTS, service, "PortAlreadyAllocated", text)


def service(owner: str, uid: str) -> Any:
    """A reference to the service `namespace/name`."""
    namespace, _, name = owner.partition("/")
    return core_v1.ObjectReference(apiVersion="v1", kind="Service", namespace=namespace, name=name, uid=uid or None)


def address(name: str) -> Any:
    return core_v1.ObjectReference(apiVersion="networking.k8s.io/v1", kind="IPAddress", name=name)


def dated(event: Any, now: float) -> Any:
    """The event as it is said now."""
    event.firstTimestamp = event.lastTimestamp = timestamp(now)
    return event


def _event(component: str, about: Any, reason: str, text: str) -> Any:
    name = f"{about.name.replace(':', '-')}.{zlib.crc32(f'{about.kind} {about.uid} {text}'.encode()):08x}"
    return core_v1.Event(
        metadata=meta_v1.ObjectMeta(name=name, namespace=about.namespace or "default"),
        involvedObject=about,
        type="Warning",
        reason=reason,
        message=text,
        source=core_v1.EventSource(component=component),
        count=1,
        reportingComponent=component,
    )
