"""How endpoints are laid out over slices with the fewest writes. Pure.

Endpoints with the same ports share slices of at most 100. What is placed stays where it is; only slices that lose or
change an endpoint are written, new endpoints go into those first, then into the fullest slice that has room for all of
them, then into new slices. A slice left empty is used again for what else is to be created before it is deleted. A
Service without endpoints keeps one empty slice, so that readers can tell "none" from "not known yet".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sampan.controllers.endpoints.facts import Ports

LIMIT = 100


@dataclass
class Layout:
    """A slice's content; `of` is the slice it replaces, None for one to create."""

    of: Any
    ports: Ports
    endpoints: list[Any]
    changed: bool = True

    @property
    def room(self) -> int:
        return LIMIT - len(self.endpoints)


@dataclass
class Packing:
    write: list[Layout] = field(default_factory=list)
    delete: list[Any] = field(default_factory=list)
    unchanged: list[Any] = field(default_factory=list)


def pack(existing: Sequence[Any], desired: Mapping[Ports, Sequence[Any]]) -> Packing:
    """`existing` are the Service's slices of one address type, `desired` its endpoints by their ports."""
    wanted = {ports: endpoints for ports, endpoints in desired.items() if endpoints} or {(): []}
    by_ports: dict[Ports, list[Any]] = {}
    for one in existing:
        by_ports.setdefault(ports_of(one), []).append(one)
    result = Packing()
    layouts: list[Layout] = []
    spare: list[Any] = []
    for ports, endpoints in wanted.items():
        layouts += _pack_ports(by_ports.pop(ports, []), ports, endpoints, spare)
    spare += [one for slices in by_ports.values() for one in slices]
    for layout in layouts:
        if layout.of is None and spare:
            layout.of = spare.pop(0)
        if layout.changed:
            result.write.append(layout)
        else:
            result.unchanged.append(layout.of)
    result.delete = spare
    return result


def _pack_ports(slices: Sequence[Any], ports: Ports, endpoints: Sequence[Any], spare: list[Any]) -> list[Layout]:
    """The layouts for endpoints of one set of ports; slices that end up empty go to `spare`."""
    waiting = {identity(endpoint): endpoint for endpoint in endpoints}
    layouts = [_kept(one, ports, waiting) for one in sorted(slices, key=lambda one: one.metadata.name)]
    remaining = list(waiting.values())
    for layout in layouts:
        if layout.changed and layout.endpoints:
            _fill(layout, remaining)
    while len(remaining) >= LIMIT:
        layouts.append(_fill(Layout(None, ports, []), remaining))
    if remaining:
        fitting = [layout for layout in layouts if layout.endpoints and layout.room >= len(remaining)]
        best = min(fitting, key=lambda layout: layout.room, default=None)
        if best is None:
            best = next((layout for layout in layouts if not layout.endpoints), None)
        if best is None:
            layouts.append(best := Layout(None, ports, []))
        best.changed = True
        _fill(best, remaining)
    empty = [layout for layout in layouts if not layout.endpoints]
    if not endpoints:
        keep = empty.pop(0) if empty else Layout(None, ports, [])
        spare += [layout.of for layout in empty]
        return [keep]
    spare += [layout.of for layout in empty]
    return [layout for layout in layouts if layout.endpoints]


def _kept(one: Any, ports: Ports, waiting: dict[Any, Any]) -> Layout:
    """What stays in a slice, each endpoint in its present state; takes those out of `waiting`."""
    before = one.endpoints or []
    after = [waiting.pop(identity(endpoint)) for endpoint in before if identity(endpoint) in waiting]
    return Layout(one, ports, after, changed=after != before)


def _fill(layout: Layout, remaining: list[Any]) -> Layout:
    room = layout.room
    layout.endpoints += remaining[:room]
    del remaining[:room]
    return layout


def identity(endpoint: Any) -> tuple[Any, ...]:
    """What makes an endpoint the same one in another state."""
    target = endpoint.targetRef
    return (target.uid if target is not None else None, *endpoint.addresses)


def ports_of(one: Any) -> Ports:
    return tuple(
        (port.name or "", port.protocol or "TCP", port.port or 0, port.appProtocol) for port in one.ports or ()
    )
