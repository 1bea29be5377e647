"""Cluster addresses and node ports of services: each given out once.

A number is taken when its own key is in the store, and that key is written (must not exist) or deleted in the very
commit that writes or deletes the service: so no crash loses or leaks one, and several API servers over one store cannot
give one out twice. The keys of addresses are those of `IPAddress` objects, which clients see (KEP-1880). Numbers of
commits still on their way are kept in `_pending`, so that concurrent creates do not run into each other.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from sampan.api import errors
from sampan.api.errors import FieldError, Invalid
from sampan.api.registry import Kind
from sampan.apiserver.allocation import families, pool
from sampan.apiserver.allocation.networks import Network, Networks
from sampan.apiserver.allocation.records import (
    NONE,
    WITH_NODE_PORTS,
    address_key,
    address_record,
    addresses_of,
    port_key,
    port_record,
    ports_of,
)
from sampan.apiserver.write import Write
from sampan.store import keys
from sampan.store.interface import Compare, Delete, Put

if TYPE_CHECKING:
    from sampan.apiserver.server import ApiServer

FULL = "range is full"
TAKEN_ADDRESS = "provided IP is already allocated"
TAKEN_PORT = "provided port is already allocated"


def is_service(kind: Kind) -> bool:
    return kind.plural == "services" and not kind.group


class Allocators:
    """Stateless but for what is on its way: what is taken is read from the watch cache."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._networks = Networks(server)
        self._first_port, self._last_port = server.config.node_ports
        self._pending: set[str] = set()

    def allocate(self, write: Write) -> None:
        """Give a service what it asks for or needs. Raises Invalid."""
        if not is_service(write.kind) or write.subresource:
            return
        old = write.old.spec if write.old is not None else None
        wrong = families.settle(write.new.spec, old, self._networks.families)
        if wrong:
            raise errors.invalid("", "Service", write.name, wrong)
        self._addresses(write, write.new.spec, old)
        self._ports(write, write.new.spec, old)

    def release(self, kind: Kind, obj: Any, write: Write) -> None:
        """Take back, in the commit of `write`, what a service that ends holds."""
        if is_service(kind) and obj is not None and obj.spec is not None:
            for key in self._held(obj.spec):
                write.operations.append(Delete(key))

    # addresses

    def _addresses(self, write: Write, new: Any, old: Any) -> None:
        had = addresses_of(old)
        if new.type == "ExternalName":
            self._give_back(write, [address_key(a) for a in had])
            return
        if new.clusterIP == NONE or (new.clusterIPs or [""])[0] == NONE:
            return
        named = list(new.clusterIPs or ([new.clusterIP] if new.clusterIP else []))
        if any(now != before for now, before in zip(named, had, strict=False)):
            return  # which the validation refuses
        for address in named[len(had) :]:
            self._take_address(write, new, address)
        wanted = named + [self._new_address(write, family) for family in (new.ipFamilies or ())[len(named) :]]
        self._give_back(write, [address_key(address) for address in had[len(wanted) :]])
        new.clusterIP, new.clusterIPs = wanted[0], wanted

    def _take_address(self, write: Write, spec: Any, address: str) -> None:
        """An address that the client named."""
        try:
            number = ipaddress.ip_address(address)
        except ValueError:
            return
        if not self._networks.holding(number):
            ranges = ", ".join(map(str, self._networks.usable(f"IPv{number.version}")))
            why = f"the provided IP ({address}) is not in the valid range. The range of valid IPs is {ranges}"
        elif self._is_taken(address_key(address)):
            why = TAKEN_ADDRESS
        else:
            self._record_address(write, address)
            return
        shown = ",".join(f'"{a}"' for a in spec.clusterIPs or [address])
        text = f"Invalid value: [{shown}]: failed to allocate IP {address}: {why}"
        raise self._invalid(write, "spec.clusterIPs", text)

    def _new_address(self, write: Write, family: str) -> str:
        """From the first network of that family that has one."""
        for network in self._networks.usable(family):
            if (address := self._free_in(network)) is not None:
                self._record_address(write, address)
                return address
        raise errors.InternalError(f"Internal error occurred: failed to allocate a serviceIP: {FULL}")

    def _free_in(self, network: Network) -> str | None:
        size = max(network.num_addresses - 2, 1)
        first = int(network.network_address) + 1
        band = pool.reserved(size, least=16, most=256, divisor=16)
        made = type(network.network_address)
        number = pool.choose(
            first, first + size - 1, band, lambda n: self._is_taken(address_key(str(made(n)))), self._server.rng
        )
        return None if number is None else str(made(number))

    def _record_address(self, write: Write, address: str) -> None:
        now, rng = self._server.clock.now(), self._server.rng
        self._take(write, address_key(address), address_record(address, write.namespace, write.name, now=now, rng=rng))

    # node ports

    def _ports(self, write: Write, new: Any, old: Any) -> None:
        had = ports_of(old)
        if new.type in WITH_NODE_PORTS:
            self._name_ports(write, new, had)
            if new.type == "LoadBalancer" and new.externalTrafficPolicy == "Local":
                self._health_port(write, new, had)
        keep = ports_of(new)
        self._give_back(write, [port_key(port) for port in sorted(had - keep)])

    def _name_ports(self, write: Write, new: Any, had: set[int]) -> None:
        """Ports the client named first, so that none of them is given to another port of the same service."""
        own: set[int] = set(had)
        shared: dict[int, tuple[int, set[str]]] = {}
        for index, port in enumerate(new.ports or ()):
            if port.nodePort:
                if port.nodePort not in own:
                    self._take_port(write, port.nodePort, f"spec.ports[{index}].nodePort")
                    own.add(port.nodePort)
                shared.setdefault(port.port, (port.nodePort, set()))[1].add(port.protocol)
        if new.type == "LoadBalancer" and new.allocateLoadBalancerNodePorts is False:
            return
        for port in new.ports or ():
            if port.nodePort:
                continue
            number, protocols = shared.get(port.port, (0, set()))
            if not number or port.protocol in protocols:
                number, protocols = self._free_port(write), set()
            port.nodePort = number
            shared[port.port] = (number, protocols | {port.protocol})

    def _health_port(self, write: Write, new: Any, had: set[int]) -> None:
        if not new.healthCheckNodePort:
            new.healthCheckNodePort = self._free_port(write)
        elif new.healthCheckNodePort not in had:
            self._take_port(write, new.healthCheckNodePort, "spec.healthCheckNodePort")

    def _take_port(self, write: Write, port: int, field: str) -> None:
        if not self._first_port <= port <= self._last_port:
            span = f"{self._first_port}-{self._last_port}"
            why = f"provided port is not in the valid range. The range of valid ports is {span}"
        elif self._is_taken(port_key(port)):
            why = TAKEN_PORT
        else:
            self._record_port(write, port)
            return
        raise self._invalid(write, field, f"Invalid value: {port}: {why}")

    def _free_port(self, write: Write) -> int:
        size = self._last_port - self._first_port + 1
        band = pool.reserved(size, least=16, most=128, divisor=32)
        port = pool.choose(
            self._first_port, self._last_port, band, lambda n: self._is_taken(port_key(n)), self._server.rng
        )
        if port is None:
            raise errors.InternalError(f"Internal error occurred: failed to allocate a nodePort: {FULL}")
        self._record_port(write, port)
        return port

    def _record_port(self, write: Write, port: int) -> None:
        self._take(write, port_key(port), port_record(port, write.namespace, write.name))

    # both

    def _held(self, spec: Any) -> list[str]:
        addresses = [] if spec.type == "ExternalName" else addresses_of(spec)
        return [*map(address_key, addresses), *map(port_key, sorted(ports_of(spec)))]

    def _is_taken(self, key: str) -> bool:
        place = keys.split(key)
        return (
            key in self._pending
            or self._server.cache.resource(place.group, place.plural).get(None, place.name) is not None
        )

    def _take(self, write: Write, key: str, value: bytes) -> None:
        """Join the commit; until that is decided nobody else gets the number."""
        self._pending.add(key)
        write.compares.append(Compare(key, 0))
        write.operations.append(Put(key, value))
        write.undo.append(lambda: self._pending.discard(key))
        write.done.append(lambda: self._pending.discard(key))

    @staticmethod
    def _give_back(write: Write, held: list[str]) -> None:
        write.operations.extend(Delete(key) for key in held)

    @staticmethod
    def _invalid(write: Write, field: str, message: str) -> Invalid:
        return errors.invalid("", "Service", write.name, [FieldError(errors.INVALID, field, message)])
