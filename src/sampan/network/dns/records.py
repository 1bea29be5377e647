"""Which records a Service has: a plain function of the Service and its EndpointSlices.

A Service with an address: A or AAAA at its name, SRV for each named port, PTR at the address. A headless one: the same
for each ready endpoint, which also has a name of its own below the service's: its hostname if it has one, else its
address with dashes. ExternalName: a CNAME. Source: DNS specification 1.1.0, sections 2.3 to 2.5.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from sampan.network.dns.wire import AAAA, CNAME, PTR, SRV, A, encode_name, srv_data


class Record(NamedTuple):
    """One record; `data` is its wire form, and `name` that of its owner."""

    name: bytes
    type: int
    data: bytes


class _Endpoint(NamedTuple):
    address: str
    host: bytes
    ports: tuple[tuple[str, str, int], ...]


SRV_WEIGHT = 100


def service_records(service: Any, slices: Iterable[Any], zone: str) -> frozenset[Record]:
    """The records of a `core_v1.Service` in `zone`; names that cannot be told in DNS are left out."""
    spec = service.spec
    try:
        name = encode_name(f"{service.metadata.name}.{service.metadata.namespace}.svc.{zone}")
        if spec is None:
            return frozenset()
        if spec.type == "ExternalName":
            return frozenset([Record(name, CNAME, encode_name(spec.externalName or ""))] if spec.externalName else [])
    except ValueError:
        return frozenset()
    if spec.clusterIP == "None":
        return frozenset(_headless(name, service, slices))
    return frozenset(_with_address(name, spec))


def host_records(lines: str) -> frozenset[Record]:
    """Addresses and names as in hosts(5), the address's first name at the address; lines that are none are left out."""
    found = set()
    for line in lines.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        try:
            owners = [encode_name(name) for name in names]
            found |= {address_record(owner, address) for owner in owners}
            found |= {Record(pointer_name(address), PTR, owner) for owner in owners[:1]}
        except ValueError:
            continue
    return frozenset(found)


def address_record(name: bytes, address: str) -> Record:
    parsed = ipaddress.ip_address(address)
    return Record(name, A if parsed.version == 4 else AAAA, parsed.packed)


def pointer_name(address: str) -> bytes:
    """`4.3.2.1.in-addr.arpa` for 1.2.3.4, in wire form."""
    return encode_name(ipaddress.ip_address(address).reverse_pointer)


def _with_address(name: bytes, spec: Any) -> Iterator[Record]:
    addresses = [address for address in spec.clusterIPs or [spec.clusterIP] if address]
    for address in addresses:
        yield address_record(name, address)
        yield Record(pointer_name(address), PTR, name)
    for port in spec.ports or () if addresses else ():
        if port.name:
            owner = _port_prefix(port.name, port.protocol or "TCP") + name
            yield Record(owner, SRV, srv_data(0, SRV_WEIGHT, port.port, name))


def _headless(name: bytes, service: Any, slices: Iterable[Any]) -> Iterator[Record]:
    for endpoint in _ready_endpoints(service, slices):
        owner = endpoint.host + name
        yield address_record(name, endpoint.address)
        yield address_record(owner, endpoint.address)
        yield Record(pointer_name(endpoint.address), PTR, owner)
        for port, protocol, number in endpoint.ports:
            yield Record(_port_prefix(port, protocol) + name, SRV, srv_data(0, SRV_WEIGHT, number, owner))


def _ready_endpoints(service: Any, slices: Iterable[Any]) -> Iterator[_Endpoint]:
    everybody = bool(service.spec.publishNotReadyAddresses)
    for piece in slices:
        if piece.addressType not in ("IPv4", "IPv6"):
            continue
        ports = tuple((p.name, p.protocol or "TCP", p.port) for p in piece.ports or () if p.name and p.port)
        for endpoint in piece.endpoints or ():
            ready = endpoint.conditions is None or endpoint.conditions.ready is not False
            if ready or everybody:
                for address in endpoint.addresses or ():
                    yield _Endpoint(address, _host_label(endpoint.hostname, address), ports)


def _host_label(hostname: str | None, address: str) -> bytes:
    label = (hostname or address.replace(".", "-").replace(":", "-")).encode("ascii").lower()
    return bytes((len(label),)) + label


def _port_prefix(name: str, protocol: str) -> bytes:
    return encode_name(f"_{name}._{protocol}")[:-1]
