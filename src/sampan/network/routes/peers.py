"""What a node must know of another: where it is, and which pod addresses are there."""

from __future__ import annotations

import base64
import ipaddress
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sampan.network.netlink.wireguard import KEY_BYTES

KEY_ANNOTATION = "network.sampan.dev/wireguard-key"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """`addresses` are the node's, at most one of each family; `ranges` its pods'. Both as the kernel writes them."""

    name: str
    addresses: tuple[str, ...]
    ranges: tuple[str, ...]
    key: str = ""
    """WireGuard's, public, in base64; "" when the node has told none."""

    def address(self, version: int) -> str:
        """Of that family; "" when it has none."""
        return next((a for a in self.addresses if ipaddress.ip_address(a).version == version), "")


def peer(node: Any) -> Peer | None:
    """None for a node without an address or a range; what cannot be read is left out."""
    addresses, spec = node_addresses(node), node.spec
    cidrs = ((spec.podCIDRs or ([spec.podCIDR] if spec.podCIDR else ())) if spec else ()) or ()
    ranges = tuple(_networks(cidrs))
    if not addresses or not ranges:
        return None
    return Peer(name=node.metadata.name, addresses=addresses, ranges=ranges, key=_key(node))


def node_addresses(node: Any) -> tuple[str, ...]:
    """Where other nodes reach it, the first address of each family as it names them."""
    found: dict[int, str] = {}
    for entry in (node.status.addresses or ()) if node.status else ():
        if entry.type == "InternalIP" and (parsed := _address(entry.address)):
            found.setdefault(parsed.version, str(parsed))
    return tuple(found.values())


def clash(peer: Peer, own: Peer) -> str:
    """Says which of its ranges is ours, too; "" when none is."""
    for cidr in peer.ranges:
        for mine in own.ranges:
            theirs, ours = ipaddress.ip_network(cidr), ipaddress.ip_network(mine)
            if theirs.version == ours.version and theirs.overlaps(ours):
                return f"its range {cidr} overlaps this node's, {mine}: delete one of the two Nodes, to get a new range"
    return ""


def _key(node: Any) -> str:
    """ "" for what is no key."""
    told = (node.metadata.annotations or {}).get(KEY_ANNOTATION, "")
    try:
        return told if len(base64.b64decode(told, validate=True)) == KEY_BYTES else ""
    except ValueError:
        return ""


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _networks(cidrs: Iterable[str]) -> Iterable[str]:
    for cidr in cidrs:
        try:
            yield str(ipaddress.ip_network(cidr))
        except ValueError:
            log.warning("a node's pod range cannot be read cidr=%s", cidr)
