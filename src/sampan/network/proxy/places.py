"""Which place each endpoint has among those of its port.

Backends number endpoints, so an endpoint that goes would move all behind it. Instead those that stay keep their places,
as far as there are so many still, and the others fill the holes: a change of one endpoint among hundreds is a change of
one or two rules.
"""

from __future__ import annotations

from dataclasses import replace

from sampan.network.proxy.backend import Ports
from sampan.network.proxy.model import Endpoint

Endpoints = tuple[Endpoint, ...]


def kept(old: Ports, new: Ports) -> Ports:
    """`new` with its endpoints where they were in `old`, ports being told by protocol and name."""
    before = {(port.protocol, port.name): port for port in old}
    found = []
    for port in new:
        held = before.get((port.protocol, port.name))
        if held is not None:
            everywhere, here = _kept(held.everywhere, port.everywhere), _kept(held.here, port.here)
            port = replace(port, everywhere=everywhere, here=here)
        found.append(port)
    return tuple(found)


def _kept(old: Endpoints, new: Endpoints) -> Endpoints:
    if old == new:
        return old
    wanted = set(new)
    staying = [endpoint if endpoint in wanted else None for endpoint in old[: len(new)]]
    settled = set(staying)
    coming = (endpoint for endpoint in new if endpoint not in settled)
    places = [endpoint or next(coming) for endpoint in staying]
    return (*places, *coming)
