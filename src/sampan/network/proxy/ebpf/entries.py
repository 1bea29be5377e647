"""What the maps should hold, and how they get there one service at a time. Pure.

A service's list of endpoints has an identifier, never used twice. A change writes the places that hold other endpoints
now, then the service's entry with their number, then deletes the places beyond it: a program that runs meanwhile finds
an endpoint of before or after at every place it knows of.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import NamedTuple

from sampan.network.proxy.backend import Change, Ports
from sampan.network.proxy.ebpf.layout import PROTOCOLS, Layout
from sampan.network.proxy.model import Endpoint, ServicePort

ONE = struct.pack("=I", 1)
MAPS = ("services", "endpoints", "members")
"""Those that are ours to fill."""


class Step(NamedTuple):
    """One change of one map; `value` None deletes the key."""

    map: str
    key: bytes
    value: bytes | None


class _List(NamedTuple):
    """What was written for one frontend."""

    service: str
    identifier: int
    protocol: str
    endpoints: tuple[Endpoint, ...]


class Entries:
    """Who claims an address and port first has it, as with the other backends' rules."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._identifiers = count(1)
        self._held: dict[bytes, _List] = {}

    def replace(self, services: Mapping[str, Ports]) -> dict[str, dict[bytes, bytes]]:
        """The whole content of the maps, which are empty."""
        self._held = {}
        content: dict[str, dict[bytes, bytes]] = {name: {} for name in MAPS}
        for service, ports in services.items():
            for step in self._steps(service, (), ports):
                assert step.value is not None
                content[step.map][step.key] = step.value
        return content

    def update(self, changes: Sequence[Change]) -> Iterator[Step]:
        for change in changes:
            yield from self._steps(change.service, change.old, change.new)

    def content(self, name: str) -> Iterator[tuple[bytes, bytes]]:
        """What that map holds once all was carried out."""
        for key, held in self._held.items():
            for step in self._exchanged(key, None, held):
                if step.map == name and step.value is not None:
                    yield step.key, step.value

    def size(self) -> int:
        """Services' and endpoints' entries."""
        return sum(1 + len(held.endpoints) for held in self._held.values())

    def statistics(self) -> dict[str, int]:
        return {"translated": len(self._held)}

    def _steps(self, service: str, old: Ports, new: Ports) -> Iterator[Step]:
        wanted = dict(self._lists(new))
        for key, (protocol, endpoints) in wanted.items():
            held = self._held.get(key)
            if held is None or held.service == service:
                identifier = held.identifier if held is not None else next(self._identifiers)
                self._held[key] = _List(service, identifier, protocol, endpoints)
                yield from self._exchanged(key, held, self._held[key])
        for key, _ in self._lists(old):
            held = self._held.get(key)
            if key not in wanted and held is not None and held.service == service:
                del self._held[key]
                yield from self._exchanged(key, held, held._replace(endpoints=()))

    def _lists(self, ports: Ports) -> Iterator[tuple[bytes, tuple[str, tuple[Endpoint, ...]]]]:
        """Services' keys and their endpoints, of the frontends that are left to the programs."""
        for port in ports:
            endpoints = translated(port)
            for frontend in port.frontends if endpoints else ():
                if frontend.kind == "cluster":
                    key = self._layout.service_key(frontend.address, frontend.port, port.protocol)
                    yield key, (port.protocol, endpoints)

    def _exchanged(self, key: bytes, held: _List | None, fresh: _List) -> Iterator[Step]:
        old, new = held.endpoints if held is not None else (), fresh.endpoints
        yield from self._members(key, fresh, set(new) - set(old), ONE)
        for number, endpoint in enumerate(new):
            if old[number : number + 1] != (endpoint,):
                yield Step("endpoints", _place(fresh, number), self._layout.endpoint_value(endpoint))
        if len(old) != len(new):
            yield Step("services", key, struct.pack("=II", len(new), fresh.identifier) if new else None)
        yield from (Step("endpoints", _place(fresh, number), None) for number in range(len(new), len(old)))
        yield from self._members(key, fresh, set(old) - set(new), None)

    def _members(self, key: bytes, of: _List, endpoints: set[Endpoint], value: bytes | None) -> Iterator[Step]:
        for endpoint in sorted(endpoints) if of.protocol == "udp" else ():
            yield Step("members", key + self._layout.endpoint_value(endpoint), value)


def fingerprint(content: Iterable[tuple[bytes, bytes]]) -> tuple[int, int]:
    """Equal for equal contents in any order, and without holding them: their number, and the sum of their hashes."""
    number = total = 0
    for entry in content:
        number += 1
        total += hash(entry)
    return number, total


def _place(of: _List, number: int) -> bytes:
    return struct.pack("=II", of.identifier, number)


def translated(port: ServicePort) -> tuple[Endpoint, ...]:
    """The endpoints the programs choose from; none when the port is left to the rules."""
    endpoints = port.here if port.internal_local else port.everywhere
    # A pod's loopback is its own: an endpoint on the node's is reached by translating packets only.
    on_loopback = any(_is_loopback(endpoint.address) for endpoint in endpoints)
    return () if port.affinity or on_loopback or port.protocol not in PROTOCOLS else endpoints


def _is_loopback(address: str) -> bool:
    """Most addresses are told by their beginning, at a tenth of the time of reading them."""
    return address.startswith(("127.", "0", ":")) and ipaddress.ip_address(address).is_loopback
