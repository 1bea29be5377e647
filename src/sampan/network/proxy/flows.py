"""UDP connections the kernel still tracks to endpoints that are gone.

A TCP connection ends with its endpoint. UDP has no end: a client that keeps its port (a DNS resolver, a log shipper) is
tracked on and sent to the dead pod for as long as it sends. So when a UDP service's endpoints change, the tracked flows
through its frontends whose endpoint no longer belongs are deleted, and the next datagram chooses anew.
Source: linux/netfilter/nfnetlink_conntrack.h.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sampan.network.netlink.message import attribute, nested
from sampan.network.proxy.backend import Change, Ports

PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}
Frontends = dict[tuple[str, int], set[tuple[str, int]]]
"""(address or "" for a node port, port) -> the endpoints that may answer there."""


class Flow(NamedTuple):
    """One tracked flow: what the client sent, and who answers (equal to the destination when not translated)."""

    source: str
    source_port: int
    destination: str
    destination_port: int
    answerer: str
    answerer_port: int


def udp_frontends(services: Iterable[Ports]) -> Frontends:
    """Every UDP frontend with its endpoints, which may be none."""
    found: Frontends = {}
    for ports in services:
        for port in ports:
            for frontend in port.frontends if port.protocol == "udp" else ():
                endpoints = found.setdefault((frontend.address, frontend.port), set())
                endpoints.update((*port.everywhere, *port.here))
    return found


def changed_frontends(changes: Iterable[Change]) -> Frontends:
    """The UDP frontends whose endpoints are others now, with those; gone ones have none."""
    changes = tuple(changes)
    old, new = (udp_frontends(getattr(change, side) for change in changes) for side in ("old", "new"))
    return {key: new.get(key, set()) for key in old | new if old.get(key) != new.get(key)}


_FLOW = re.compile(r"src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+).*? src=(\S+) dst=\S+ sport=(\d+) dport=\d+")


def parse(listing: str) -> Iterator[Flow]:
    """The flows in the output of `conntrack -L`."""
    for line in listing.splitlines():
        match = _FLOW.search(line)
        if match:
            source, destination, sport, dport, answerer, aport = match.groups()
            yield Flow(source, int(sport), destination, int(dport), answerer, int(aport))


def stale(flows: Iterable[Flow], frontends: Frontends, local: set[str]) -> list[Flow]:
    """Those flows that go through one of `frontends` to somebody who is not its endpoint.

    `local` are this node's addresses: a node port is met on them only.
    """
    found = []
    for flow in flows:
        endpoints = frontends.get((flow.destination, flow.destination_port))
        if endpoints is None and flow.destination in local:
            endpoints = frontends.get(("", flow.destination_port))
        if endpoints is not None and (flow.answerer, flow.answerer_port) not in endpoints:
            found.append(flow)
    return found


def deletion(flow: Flow, protocol: str = "udp") -> bytes:
    """The body of the netlink request that deletes exactly this flow, told by what its client sent."""
    six = ":" in flow.source
    family = socket.AF_INET6 if six else socket.AF_INET
    source, destination = (socket.inet_pton(family, each) for each in (flow.source, flow.destination))
    ends = nested(1, attribute(3 if six else 1, source), attribute(4 if six else 2, destination))
    ports = (
        attribute(kind, struct.pack(">H", port)) for kind, port in ((2, flow.source_port), (3, flow.destination_port))
    )
    kind = nested(2, attribute(1, bytes([PROTOCOLS[protocol]])), *ports)
    return struct.pack("=BBH", family, 0, 0) + nested(1, ends, kind)
