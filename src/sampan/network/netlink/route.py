"""Routes as rtnetlink says them. Source: linux/rtnetlink.h, rtnetlink(7)."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

from sampan.network.netlink.channel import Channel
from sampan.network.netlink.message import CREATE, REPLACE, attribute, attributes, number

NEW, DELETE, GET = 24, 25, 26
BODY = struct.Struct("=BBBBBBBBI")
MAIN_TABLE, UNICAST, LOCAL, UNIVERSE, NOWHERE = 254, 1, 2, 0, 255
ON_LINK = 4
DESTINATION, DEVICE, GATEWAY, TABLE = 1, 4, 5, 15
PROTOCOL = 84
"""Marks the routes as the pod network's (`ip route show proto 84`)."""


class Route(NamedTuple):
    """`device` 0: the kernel finds it by the gateway. `on_link`: the gateway is there though no route says so."""

    destination: str
    gateway: str
    device: int = 0
    on_link: bool = False


def add(channel: Channel, route: Route) -> None:
    """Replaces what goes there now. Raises OSError: 101 (ENETUNREACH) where the gateway is not on a network of ours."""
    channel.tell(NEW, body(route), CREATE | REPLACE)


def delete(channel: Channel, route: Route) -> None:
    channel.tell(DELETE, body(route))


def ours(channel: Channel, family: int) -> Iterator[Route]:
    """The pod network's routes of an address family."""
    for answer in channel.dump(GET, BODY.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)):
        fields = BODY.unpack_from(answer.body)
        if fields[0] == family and fields[4] == MAIN_TABLE and fields[5] == PROTOCOL:
            yield _route(fields, attributes(answer.body[BODY.size :]))


def way(channel: Channel, address: str) -> Route:
    """How packets go to `address`: without a gateway to a neighbour. Raises OSError when there is no way."""
    answer = _asked(channel, address)
    return _route(BODY.unpack_from(answer), attributes(answer[BODY.size :]))


def is_own(channel: Channel, address: str) -> bool:
    """Whether packets to `address` stay here. Raises OSError when there is no way."""
    return bool(BODY.unpack_from(_asked(channel, address))[7] == LOCAL)


def _asked(channel: Channel, address: str) -> bytes:
    there = ipaddress.ip_address(address)
    question = BODY.pack(family_of(there), there.max_prefixlen, 0, 0, 0, 0, 0, 0, 0)
    return channel.ask(GET, question + attribute(DESTINATION, there.packed)).body


def body(route: Route) -> bytes:
    network = ipaddress.ip_network(route.destination)
    flags = ON_LINK if route.on_link else 0
    return b"".join(
        (
            BODY.pack(family_of(network), network.prefixlen, 0, 0, MAIN_TABLE, PROTOCOL, UNIVERSE, UNICAST, flags),
            attribute(DESTINATION, network.network_address.packed),
            attribute(GATEWAY, ipaddress.ip_address(route.gateway).packed) if route.gateway else b"",
            number(DEVICE, route.device) if route.device else b"",
        )
    )


def family_of(what: ipaddress._IPAddressBase) -> int:
    return int(socket.AF_INET6 if what.version == 6 else socket.AF_INET)


def _route(fields: tuple[int, ...], found: dict[int, bytes]) -> Route:
    destination = ipaddress.ip_address(found[DESTINATION]) if DESTINATION in found else ipaddress.ip_address(bytes(4))
    gateway = str(ipaddress.ip_address(found[GATEWAY])) if GATEWAY in found else ""
    device = int.from_bytes(found.get(DEVICE, bytes(4)), "little")
    return Route(f"{destination}/{fields[1]}", gateway, device, bool(fields[8] & ON_LINK))
