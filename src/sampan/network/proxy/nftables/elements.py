"""A Service's rules as map elements: the part of the table that changes.

An element is (map, key) -> value; in a set the value is "". Keys and values are nft text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sampan.network.proxy.model import Frontend, ServicePort
from sampan.network.proxy.nftables.ruleset import Source, Variant

Key = tuple[str, str]
Elements = dict[Key, str]


class Rendering(NamedTuple):
    """The elements of one Service, and the chains they lead to."""

    elements: Elements
    variants: set[Variant]
    timeouts: set[int]


def render(ports: Iterable[ServicePort]) -> Rendering:
    """Elements and the chains they need, for all ports of one Service."""
    rendering = Rendering({}, set(), set())
    for port in ports:
        for frontend in port.frontends:
            _frontend(rendering, port, frontend)
        for address in port.hairpin:
            rendering.elements["hairpin", f"{address} . {address}"] = ""
    return rendering


def _frontend(rendering: Rendering, port: ServicePort, frontend: Frontend) -> None:
    elements, node = rendering.elements, frontend.kind == "node"
    suffix = "-node" if node else ""
    key = f"{port.protocol} . {frontend.port}" if node else f"{frontend.address} . {port.protocol} . {frontend.port}"
    entry = "nodeports" if node else "services"
    if frontend.kind == "cluster":
        elements["cluster-ips", frontend.address] = ""
    if frontend.address in port.guarded:
        for source in port.source_ranges:
            elements["source-ranges", f"{key} . {source}"] = ""
        elements[entry, key] = "goto guard"
        entry = "admitted"
    if not port.everywhere:
        elements[entry, key] = "goto refuse"
    elif frontend.kind != "cluster" and port.external_local:
        elements[entry, key] = f"goto local-policy{suffix}"
        elements["inside" + suffix, key] = _choice(rendering, port, frontend, source="plain", local=False)
        elements["outside" + suffix, key] = _choice(rendering, port, frontend, source="plain", local=True)
    elif frontend.kind != "cluster":
        elements[entry, key] = _choice(rendering, port, frontend, source="external", local=False)
    else:
        elements[entry, key] = _choice(rendering, port, frontend, source="cluster", local=port.internal_local)
    if port.affinity and port.everywhere:
        rendering.timeouts.add(port.affinity)
        elements["affinity-timeouts" + suffix, key] = f"jump remember-{port.affinity}"


def _choice(rendering: Rendering, port: ServicePort, frontend: Frontend, *, source: Source, local: bool) -> str:
    node = frontend.kind == "node"
    endpoints = port.here if local else port.everywhere
    if not endpoints:
        return "drop"
    variant = Variant(source, local, node, bool(port.affinity), port.protocol, len(endpoints))
    rendering.variants.add(variant)
    place = f"{frontend.port}" if node else f"{frontend.address} . {frontend.port}"
    for number, endpoint in enumerate(endpoints):
        rendering.elements[variant.endpoints, f"{place} . {number}"] = f"{endpoint.address} . {endpoint.port}"
    return f"goto {variant.chain}"
