"""Pods' packets go to the other node itself, which is on a network that this one is on, too."""

from __future__ import annotations

import ipaddress

from sampan.network.netlink.route import Route
from sampan.network.routes.peers import Peer


def entries(peer: Peer) -> frozenset[Route]:
    """A route for each of the peer's ranges whose family it has an address of."""
    found = ((cidr, peer.address(ipaddress.ip_network(cidr).version)) for cidr in peer.ranges)
    return frozenset(Route(cidr, address) for cidr, address in found if address)
