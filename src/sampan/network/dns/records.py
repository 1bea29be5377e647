"""Which records a Service has: a plain function of the Service and its EndpointSlices.

A Service with an address: A or AAAA at its name, SRV for each named port, PTR at the address. A headless one: the same
for each ready endpoint, which also has a name of its own below the service's: its hostname if it has one, else its
address with dashes. Endpoints on nodes that do not answer are left out of the service's names while there are others;
their own names, which nobody else could answer for, stay. ExternalName: a CNAME. Source: DNS specification 1.1.0,
sections 2.3 to 2.5.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from sampan.network.dns.wire import AAAA, CNAME, PTR, SRV, A, encode_name, pack_address, pointer_name, srv_data


class Record(NamedTuple):
    """One record; `data` is its wire form, and `name` that of its owner."""

    name: bytes
    type: int
    data: bytes


SRV_WEIGHT = 100


def service_records(
    service: Any, slices: Iterable[Any], zone: str, unreachable: frozenset[str] = frozenset()
) -> frozenset[Record]:
    """The records of a `core_v1.Service` in `zone`; names that cannot be told in DNS are left out. `unreachable`: nodes
    that do not answer."""
    spec = service.spec
    try:
        name = encode_name(f"{service.metadata.name}.{service.metadata.namespace}.svc.{zone}")
        if spec is None:
            return frozenset()
        if spec.type == "ExternalName":
            return frozenset(_alias(name, spec.externalName or ""))
    except ValueError:
        return frozenset()
    if spec.clusterIP == "None":
        return frozenset(_headless(name, list(_told(service, slices)), unreachable))
    return frozenset(_with_address(name, spec))


def host_records(lines: str) -> frozenset[Record]:
    """Addresses and names as in hosts(5), the address's first name at the address; lines that are none are left out."""
    found = set()
    for line in lines.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        try:
            owners = [encode_name(name) for name in names]
            found |= {address_record(owner, address) for owner in owners}
            found |= {Record(pointer_name(pack_address(address)), PTR, owner) for owner in owners[:1]}
        except ValueError:
            continue
    return frozenset(found)


def address_record(name: bytes, address: str) -> Record:
    """Raises ValueError when it is none."""
    packed = pack_address(address)
    return Record(name, A if len(packed) == 4 else AAAA, packed)


def _alias(name: bytes, target: str) -> Iterator[Record]:
    """An address cannot be stood for by a CNAME: such a Service has no record, as with CoreDNS."""
    try:
        pack_address(target)
    except ValueError:
        if target:
            yield Record(name, CNAME, encode_name(target))


def _with_address(name: bytes, spec: Any) -> Iterator[Record]:
    addresses = [address for address in spec.clusterIPs or [spec.clusterIP] if address]
    for address in addresses:
        own = address_record(name, address)
        yield own
        yield Record(pointer_name(own.data), PTR, name)
    for port in spec.ports or () if addresses else ():
        if port.name:
            owner = _port_prefix(port.name, port.protocol or "TCP") + name
            yield Record(owner, SRV, srv_data(0, SRV_WEIGHT, port.port, name))


class _Told(NamedTuple):
    """An endpoint that names lead to; `ports`: name, protocol and number of the named ones."""

    hostname: str | None
    address: str
    node: str | None
    ports: tuple[tuple[str, str, int], ...]


def _told(service: Any, slices: Iterable[Any]) -> Iterator[_Told]:
    everybody = bool(service.spec.publishNotReadyAddresses)
    for piece in slices:
        ports = tuple((port.name, port.protocol or "TCP", port.port) for port in _named(piece))
        for endpoint in piece.endpoints or () if piece.addressType in ("IPv4", "IPv6") else ():
            if everybody or endpoint.conditions is None or endpoint.conditions.ready is not False:
                for address in endpoint.addresses or ():
                    yield _Told(endpoint.hostname, address, endpoint.nodeName, ports)


def _named(piece: Any) -> list[Any]:
    return [port for port in piece.ports or () if port.name and port.port]


def _headless(name: bytes, told: list[_Told], unreachable: frozenset[str]) -> Iterator[Record]:
    reached = [each for each in told if each.node not in unreachable] or told
    for each in told:
        yield from _own_name(name, each)
    for each in reached:
        yield from _share(name, each)


def _own_name(name: bytes, told: _Told) -> Iterator[Record]:
    owner = _owner(name, told)
    if owner:
        own = address_record(owner, told.address)
        yield own
        yield Record(pointer_name(own.data), PTR, owner)


def _share(name: bytes, told: _Told) -> Iterator[Record]:
    """What the service's own names have by this endpoint."""
    owner = _owner(name, told)
    if owner:
        yield address_record(name, told.address)
        for port, protocol, number in told.ports:
            yield Record(_port_prefix(port, protocol) + name, SRV, srv_data(0, SRV_WEIGHT, number, owner))


def _owner(name: bytes, told: _Told) -> bytes:
    """The endpoint's own name; empty when it cannot be told in DNS."""
    try:
        pack_address(told.address)
        return encode_name(told.hostname or told.address.replace(".", "-").replace(":", "-"))[:-1] + name
    except ValueError:
        return b""


def _port_prefix(name: str, protocol: str) -> bytes:
    return encode_name(f"_{name}._{protocol}")[:-1]
