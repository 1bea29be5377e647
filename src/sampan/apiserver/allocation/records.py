"""How it is written down that an address or a port is taken, and what a service holds.

An address's record is the `IPAddress` object that clients see (KEP-1880); a port's is a key of our own.
"""

from __future__ import annotations

import random
from typing import Any

import msgspec

from sampan.aio.clock import timestamp
from sampan.api.kinds import meta_v1, networking_v1
from sampan.api.registry import Kind
from sampan.apiserver.allocation import families
from sampan.apiserver.metadata import new_uid
from sampan.store import keys

NONE = families.NONE
NETWORKING = "networking.k8s.io"
PORTS = ("sampan.dev", "nodeports")
WITH_NODE_PORTS = ("NodePort", "LoadBalancer")
FAMILY_LABEL = "ipaddress.kubernetes.io/ip-family"
MANAGER_LABEL = "ipaddress.kubernetes.io/managed-by"
MANAGED_BY = "ipallocator.k8s.io"


class PortRecord(msgspec.Struct):
    """`owner` is the service's namespace/name."""

    owner: str = ""


def address_key(address: str) -> str:
    return keys.key(NETWORKING, "ipaddresses", None, address)


def port_key(port: int) -> str:
    return keys.key(*PORTS, None, str(port))


def address_record(address: str, namespace: str, name: str, *, now: float, rng: random.Random) -> bytes:
    """The IPAddress object of a service's address."""
    labels = {FAMILY_LABEL: families.family_of(address), MANAGER_LABEL: MANAGED_BY}
    metadata = meta_v1.ObjectMeta(
        name=address, uid=new_uid(rng), creationTimestamp=timestamp(now), generation=1, labels=labels
    )
    parent = networking_v1.ParentReference(resource="services", namespace=namespace, name=name)
    return Kind.encode(networking_v1.IPAddress(metadata=metadata, spec=networking_v1.IPAddressSpec(parentRef=parent)))


def port_record(port: int, namespace: str, name: str) -> bytes:
    value = b'{"kind":"NodePort","apiVersion":"sampan.dev/v1","metadata":{"name":"%d"},"owner":"%b"}'
    return value % (port, f"{namespace}/{name}".encode())


def addresses_of(spec: Any) -> list[str]:
    """Cluster addresses a service holds."""
    if spec is None or spec.type == "ExternalName":
        return []
    addresses = spec.clusterIPs or ([spec.clusterIP] if spec.clusterIP else [])
    return [a for a in addresses if a and a != NONE]


def ports_of(spec: Any) -> set[int]:
    """Node ports a service holds, the health check's included."""
    if spec is None or spec.type not in WITH_NODE_PORTS:
        return set()
    held = {port.nodePort for port in spec.ports or () if port.nodePort}
    return held | {spec.healthCheckNodePort} if spec.healthCheckNodePort else held
