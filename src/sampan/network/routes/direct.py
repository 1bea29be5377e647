"""Pods' packets go to the other node itself, which is on a network that this one is on, too."""

from __future__ import annotations

import ipaddress

from sampan.network.routes.entries import Entry, Route
from sampan.network.routes.peers import Peer

OVERHEAD = 0
"""Bytes that each packet grows by."""


def entries(peer: Peer) -> frozenset[Entry]:
    """A route for each of the peer's ranges whose family it has an address of."""
    found = ((cidr, peer.address(ipaddress.ip_network(cidr).version)) for cidr in peer.ranges)
    return frozenset(Route(cidr, address) for cidr, address in found if address)
