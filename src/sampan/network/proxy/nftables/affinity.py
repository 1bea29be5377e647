"""Remembered clients whose endpoint is gone. The kernel fills the map and forgets by time, but knows no endpoints."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sampan.network.proxy.backend import Ports

Service = tuple[str, str, int]
"""A frontend as a connection shows it: address ("" for any, a node port), protocol, port."""


def allowed_endpoints(services: Iterable[Ports]) -> dict[Service, set[tuple[str, int]]]:
    """Which endpoints a client of each frontend may be remembered at."""
    allowed: dict[Service, set[tuple[str, int]]] = {}
    for ports in services:
        for port in ports:
            for frontend in port.frontends if port.affinity else ():
                endpoints = allowed.setdefault((frontend.address, port.protocol, frontend.port), set())
                endpoints.update((*port.everywhere, *port.here))
    return allowed


def stale_keys(
    listing: Iterable[dict[str, Any]],
    allowed: Mapping[Service, set[tuple[str, int]]],
    within: Collection[Service] | None = None,
) -> list[str]:
    """The map's keys (nft text) that point at an endpoint their frontend no longer has; `listing` is nft's JSON.

    `within` names the frontends to look at, None for all.
    """
    stale = []
    for entry in listing:
        for element in entry.get("map", {}).get("elem", ()):
            key, value = _unpack(element)
            client, address, protocol, port = key
            names = {(address, protocol, port), ("", protocol, port)}
            if within is not None and names.isdisjoint(within):
                continue
            if not any(tuple(value) in allowed.get(name, ()) for name in names):
                stale.append(f"{client} . {address} . {protocol} . {port}")
    return stale


def _unpack(element: list[Any]) -> tuple[list[Any], list[Any]]:
    key, value = element
    key = key.get("elem", {}).get("val", key) if isinstance(key, dict) else key
    return key["concat"], value["concat"]
