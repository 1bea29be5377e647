"""What the maps should hold, and how they get there one service at a time. Pure.

A service's list of endpoints has an identifier, never used twice. A change writes the new list first, then the
service's entry, which leads to it, then deletes the old list: a program that runs meanwhile finds the one or the other
whole.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import NamedTuple

from sampan.network.proxy.backend import Change, Ports
from sampan.network.proxy.ebpf.layout import PROTOCOLS, Layout
from sampan.network.proxy.model import Endpoint, ServicePort

ONE = struct.pack("=I", 1)


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
        content: dict[str, dict[bytes, bytes]] = {"services": {}, "endpoints": {}, "members": {}}
        for service, ports in services.items():
            for step in self._steps(service, (), ports):
                assert step.value is not None
                content[step.map][step.key] = step.value
        return content

    def update(self, changes: Sequence[Change]) -> Iterator[Step]:
        for change in changes:
            yield from self._steps(change.service, change.old, change.new)

    def statistics(self) -> dict[str, int]:
        return {"translated": len(self._held)}

    def _steps(self, service: str, old: Ports, new: Ports) -> Iterator[Step]:
        wanted = dict(self._lists(new))
        for key, (protocol, endpoints) in wanted.items():
            held = self._held.get(key)
            if held is not None and (held.service != service or held.endpoints == endpoints):
                continue
            fresh = _List(service, next(self._identifiers), protocol, endpoints)
            self._held[key] = fresh
            yield from self._written(key, fresh)
            if held is not None:
                yield from self._deleted(key, held, fresh)
        for key, _ in self._lists(old):
            held = self._held.get(key)
            if key not in wanted and held is not None and held.service == service:
                del self._held[key]
                yield Step("services", key, None)
                yield from self._deleted(key, held, None)

    def _lists(self, ports: Ports) -> Iterator[tuple[bytes, tuple[str, tuple[Endpoint, ...]]]]:
        """Services' keys and their endpoints, of the frontends that are left to the programs."""
        for port in ports:
            endpoints = translated(port)
            for frontend in port.frontends if endpoints else ():
                if frontend.kind == "cluster":
                    key = self._layout.service_key(frontend.address, frontend.port, port.protocol)
                    yield key, (port.protocol, endpoints)

    def _written(self, key: bytes, fresh: _List) -> Iterator[Step]:
        for number, endpoint in enumerate(fresh.endpoints):
            value = self._layout.endpoint_value(endpoint)
            yield Step("endpoints", struct.pack("=II", fresh.identifier, number), value)
            if fresh.protocol == "udp":
                yield Step("members", key + value, ONE)
        yield Step("services", key, struct.pack("=II", len(fresh.endpoints), fresh.identifier))

    def _deleted(self, key: bytes, held: _List, fresh: _List | None) -> Iterator[Step]:
        for number in range(len(held.endpoints)):
            yield Step("endpoints", struct.pack("=II", held.identifier, number), None)
        if held.protocol == "udp":
            for endpoint in sorted(set(held.endpoints) - set(fresh.endpoints if fresh else ())):
                yield Step("members", key + self._layout.endpoint_value(endpoint), None)


def translated(port: ServicePort) -> tuple[Endpoint, ...]:
    """The endpoints the programs choose from; none when the port is left to the rules."""
    endpoints = port.here if port.internal_local else port.everywhere
    # A pod's loopback is its own: an endpoint on the node's is reached by translating packets only.
    on_loopback = any(ipaddress.ip_address(endpoint.address).is_loopback for endpoint in endpoints)
    return () if port.affinity or on_loopback or port.protocol not in PROTOCOLS else endpoints
