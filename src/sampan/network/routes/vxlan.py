"""Pods' packets go to the other node in UDP datagrams (RFC 7348), over whatever lies between.

Nothing is learned and nothing flooded: for each peer the kernel is told the hardware address of its tunnel's end and
behind which node that is. The hardware address follows from the node's range of pod addresses, so nobody has to tell;
the range's first address, which no pod has, stands for the node inside the tunnel.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence

from sampan.network.netlink.link import Vxlan
from sampan.network.routes.entries import Entry, Forward, Neighbour, Route
from sampan.network.routes.peers import Peer

DEVICE = "sampan-vxlan"
IDENTIFIER = 4097
PORT = 4789
OVERHEAD = {4: 50, 6: 70}
"""Bytes that each packet grows by, by the version of the nodes' addresses."""


def entries(peer: Peer, ranges: Sequence[str]) -> frozenset[Entry]:
    """For those of its ranges."""
    hardware = hardware_address(peer.ranges[0])
    found: set[Entry] = {Forward(hardware, peer.addresses[0], DEVICE)}
    for cidr in ranges:
        inside = inner_address(cidr)
        found |= {Neighbour(inside, hardware, DEVICE), Route(cidr, inside, DEVICE)}
    return frozenset(found)


def device(own: Peer, underlay_mtu: int) -> Vxlan:
    """This node's end of the tunnels."""
    local = own.addresses[0]
    return Vxlan(
        name=DEVICE,
        identifier=IDENTIFIER,
        port=PORT,
        local=local,
        hardware=hardware_address(own.ranges[0]),
        mtu=underlay_mtu - OVERHEAD[ipaddress.ip_address(local).version],
    )


def hardware_address(cidr: str) -> str:
    """Locally administered, of one station."""
    octets = hashlib.sha256(cidr.encode()).digest()[:5]
    return b"\x0a".hex() + ":" + octets.hex(":")


def inner_address(cidr: str) -> str:
    return str(ipaddress.ip_network(cidr).network_address)
