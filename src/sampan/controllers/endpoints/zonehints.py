"""Topology aware hints on endpoints as they are laid out over slices. Pure but for what `ZoneHints` remembers.

An endpoint is for its own zone first; zones with more than their share (`zoneshares`) then give to those with less.
Slices that nothing forces to change keep the hints they have. Where hints are impossible, nothing has one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from sampan.api.kinds import discovery_v1
from sampan.controllers.endpoints.packing import Layout, Packing, identity, ports_of
from sampan.controllers.endpoints.zoneshares import Allocation, Impossible, allocations, capacity, shares

NO_ZONE = "One or more endpoints do not have a zone specified"
ENABLED = ("Normal", "TopologyAwareHintsEnabled", "Topology Aware Hints has been enabled")
OFF = ("Warning", "TopologyAwareHintsDisabled")
Told = tuple[str, str, str]


class ZoneHints:
    """Knows the nodes' CPUs and which slices of a Service (its key with an address type) have hints."""

    def __init__(self) -> None:
        self._capacities: dict[str, tuple[str, int]] = {}
        self._hinted: set[str] = set()

    def node_changed(self, old: Any, new: Any) -> bool:
        """Takes note of a node; whether zones have other shares now."""
        name = (new or old).metadata.name
        before = self._capacities.pop(name, None)
        after = capacity(new) if new is not None else None
        if after is not None:
            self._capacities[name] = after
        return before != after

    def forget(self, key: str) -> None:
        self._hinted.discard(key)

    def hint(self, key: str, asked: bool, packing: Packing) -> Told | None:
        """Gives hints or takes them away; the event (type, reason, message) that tells of it, if one is due."""
        had = key in self._hinted
        self._hinted.discard(key)
        if not asked:
            return (*OFF, "Topology Aware Hints has been disabled") if had else None
        try:
            assign(packing, shares(self._capacities.values()))
        except Impossible as error:
            clear(packing)
            return (*OFF, str(error))
        self._hinted.add(key)
        return None if had else ENABLED


def carry_over(existing: Iterable[Any], desired: Iterable[list[Any]]) -> None:
    """Gives ready endpoints the hints they have, so that hints alone do not make a slice differ."""
    had = {identity(endpoint): endpoint.hints for one in existing for endpoint in one.endpoints or ()}
    for endpoints in desired:
        endpoints[:] = [_with(e, had.get(identity(e)) if e.conditions.ready else None) for e in endpoints]


def assign(packing: Packing, shares: Mapping[str, float]) -> None:
    """Hints the endpoints of what is to be written, and moves there what must change for it; raises Impossible."""
    ready = [endpoint for endpoint in _all(packing) if endpoint.conditions.ready]
    allocated = allocations(shares, len(ready))
    if not all(endpoint.zone for endpoint in ready):
        raise Impossible(NO_ZONE)
    given = _keep(packing, allocated)
    for layout in packing.write:
        layout.endpoints = [_for_zone(e, e.zone) if e.conditions.ready else _with(e, None) for e in layout.endpoints]
        given.update(e.zone for e in layout.endpoints if e.conditions.ready)
    _redistribute(packing.write, *_moves(allocated, given))
    _settle(packing)


def clear(packing: Packing) -> None:
    """Takes the hints off everything."""
    _reopen(packing, [one for one in packing.unchanged if any(e.hints for e in one.endpoints or ())])
    for layout in packing.write:
        layout.endpoints = [_with(endpoint, None) for endpoint in layout.endpoints]
    _settle(packing)


def _all(packing: Packing) -> Iterable[Any]:
    for holder in (*packing.write, *packing.unchanged):
        yield from holder.endpoints or ()


def _keep(packing: Packing, allocated: Mapping[str, Allocation]) -> Counter[str]:
    """The hints per zone of slices that may stay as they are; the others are to be written."""
    given: Counter[str] = Counter()
    reopened = []
    for one in packing.unchanged:
        hinted = _hinted(one, given, allocated)
        if hinted is None:
            reopened.append(one)
        else:
            given += hinted
    _reopen(packing, reopened)
    return given


def _hinted(one: Any, given: Counter[str], allocated: Mapping[str, Allocation]) -> Counter[str] | None:
    """The slice's hints per zone, None when one is missing, or is for a zone that needs none or has too many."""
    found: Counter[str] = Counter()
    for endpoint in one.endpoints or ():
        if endpoint.conditions.ready:
            zones = [zone.name for zone in (endpoint.hints.forZones if endpoint.hints else None) or ()]
            if not zones or endpoint.hints.forNodes:
                return None
            found.update(zones)
    fits = all(zone in allocated and given[zone] + found[zone] <= allocated[zone].maximum for zone in found)
    return found if fits else None


def _reopen(packing: Packing, slices: list[Any]) -> None:
    reopened = {one.metadata.name for one in slices}
    packing.unchanged = [one for one in packing.unchanged if one.metadata.name not in reopened]
    packing.write += [Layout(one, ports_of(one), list(one.endpoints or ())) for one in slices]


def _moves(allocated: Mapping[str, Allocation], given: Counter[str]) -> tuple[Counter[str], Counter[str]]:
    """How many endpoints each zone gives away, and how many each receives."""
    surplus = {zone: given[zone] - each.desired for zone, each in allocated.items()}
    givers = {zone: much for zone, much in surplus.items() if much > 0}
    takers = {zone: -much for zone, much in surplus.items() if much < 0}
    giving: Counter[str] = Counter()
    receiving: Counter[str] = Counter()
    while givers and takers:
        most, least = max(givers, key=givers.__getitem__), max(takers, key=takers.__getitem__)
        if max(givers[most], takers[least]) < 1 or min(givers[most], takers[least]) < 0.5:
            break
        giving[most] += 1
        receiving[least] += 1
        givers[most] -= 1
        takers[least] -= 1
    return giving, receiving


def _redistribute(layouts: Iterable[Layout], giving: Counter[str], receiving: Counter[str]) -> None:
    for layout in layouts:
        for position, endpoint in enumerate(layout.endpoints):
            zone = next(iter(+receiving), None)
            if zone is None:
                return
            if endpoint.conditions.ready and giving[endpoint.zone] > 0:
                layout.endpoints[position] = _for_zone(endpoint, zone)
                giving[endpoint.zone] -= 1
                receiving[zone] -= 1


def _settle(packing: Packing) -> None:
    """What came out as it was is not written."""
    packing.unchanged += [layout.of for layout in packing.write if _is_as_it_was(layout)]
    packing.write = [layout for layout in packing.write if not _is_as_it_was(layout)]


def _is_as_it_was(layout: Layout) -> bool:
    before = layout.of
    return before is not None and layout.endpoints == list(before.endpoints or ()) and layout.ports == ports_of(before)


def _for_zone(endpoint: Any, zone: str) -> Any:
    return _with(endpoint, discovery_v1.EndpointHints(forZones=[discovery_v1.ForZone(name=zone)]))


def _with(endpoint: Any, hints: Any) -> Any:
    return endpoint if endpoint.hints == hints else msgspec.structs.replace(endpoint, hints=hints)
