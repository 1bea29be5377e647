"""Who a node speaks BGP with: routers named by the user, other nodes by the API. No I/O."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from sampan.network.routes.peers import Peer

AS_ANNOTATION = "network.sampan.dev/bgp-as"
"""The autonomous system that a node is in, for the others of its mesh."""
DEFAULT_AS = 64512
"""The first of those for private use (RFC 6996)."""
HIGHEST_AS = 0xFFFFFFFE
MESH = "mesh"
MOST_ROUTERS = 16


class Neighbour(NamedTuple):
    """`near`: on a network that this node is on; others are reached over routers between. `both`: whether the session
    tells the ranges of both families, to a near one that shares addresses of one family alone with this node; those of
    IPv6 at `link`, this node's link-local address there, where the session is by IPv4."""

    address: str
    number: int
    near: bool = True
    both: bool = False
    link: str = ""

    @property
    def name(self) -> str:
        """As BIRD knows the session: one that stays goes on when others change."""
        return "with_" + self.address.replace(".", "_").replace(":", "_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fabric:
    """`number`: this node's autonomous system; `mesh`: whether the other nodes are neighbours."""

    number: int = DEFAULT_AS
    routers: tuple[Neighbour, ...] = ()
    mesh: bool = True


def fabric(number: str, peers: str) -> Fabric:
    """Of `--bgp-as` and `--bgp-peers`, "" for their defaults; raises ValueError that says what to write."""
    words = [word.strip() for word in (peers or MESH).split(",")]
    if len(words) > MOST_ROUTERS:
        raise ValueError(f"--bgp-peers: {len(words)} of them; name at most {MOST_ROUTERS}")
    routers = tuple(_router(word) for word in words if word != MESH)
    return Fabric(number=_number(number or str(DEFAULT_AS), "--bgp-as"), routers=routers, mesh=MESH in words)


def _router(word: str) -> Neighbour:
    number, at, text = word.partition("@")
    try:
        address = plain(text)
    except ValueError:
        at = ""
    if not at:
        raise ValueError(f"--bgp-peers: {word!r} is none: write AS@ADDRESS, such as 65000@192.0.2.1, or {MESH}")
    return Neighbour(str(address), _number(number, "--bgp-peers"))


def _number(text: str, option: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:11]) <= HIGHEST_AS):
        raise ValueError(f"{option}: {text!r} is no AS number: write one from 1 to {HIGHEST_AS}")
    return int(text)


def plain(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address without a zone, which may be any text; raises ValueError."""
    if "%" in text:
        raise ValueError(f"{text} has a zone")
    return ipaddress.ip_address(text)


def number_of(node: Any, default: int) -> int:
    """The autonomous system that a Node says it is in."""
    told = (node.metadata.annotations or {}).get(AS_ANNOTATION, "")
    try:
        return _number(told, AS_ANNOTATION)
    except ValueError:
        return default


def mesh(
    own: Peer,
    others: Iterable[tuple[Peer, int]],
    near: Callable[[str], bool] = lambda address: False,
    link_local: Callable[[str], str] = lambda address: "",
) -> list[Neighbour]:
    """The other nodes, at their addresses of the families that this node has, too. `near`: whether an address is on a
    network of this node's; `link_local`: this node's own address there, "" where IPv6 is off."""
    dual = len({_version(cidr) for cidr in own.ranges}) > 1
    found = []
    for node, number in others:
        shared = [each for each in node.addresses if "%" not in each and own.address(_version(each))]
        for address in shared:
            both = dual and len(shared) == 1 and near(address)
            link = link_local(address) if both and _version(address) == 4 else ""
            both &= bool(link) or _version(address) == 6
            found.append(Neighbour(address, number, near=both, both=both, link=link))
    return found


def _version(text: str) -> int:
    return ipaddress.ip_interface(text).version


def router_id(own: Peer) -> str:
    """32 bits that nobody else has, written as an address: the node's own where it has one of IPv4."""
    return own.address(4) or str(ipaddress.IPv4Address(hashlib.sha256(own.name.encode()).digest()[:4]))
