"""Neighbours (which hardware has an address) and forwarding entries (behind which address a hardware is).

Source: linux/neighbour.h, rtnetlink(7), bridge(8) "fdb".
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from typing import NamedTuple

from sampan.network.netlink.channel import Channel
from sampan.network.netlink.link import octets
from sampan.network.netlink.message import CREATE, REPLACE, attribute, attributes
from sampan.network.netlink.route import family_of

NEW, DELETE, GET = 28, 29, 30
BODY = struct.Struct("=BxxxiHBB")
DESTINATION, HARDWARE = 1, 2
PERMANENT, SELF = 0x80, 0x02
BRIDGE_FAMILY = 7


class Neighbour(NamedTuple):
    """`address` is reached at `hardware`, on that interface."""

    address: str
    hardware: str
    device: int


class Forward(NamedTuple):
    """`hardware` is behind the tunnel's end at `remote`."""

    hardware: str
    remote: str
    device: int


def add_neighbour(channel: Channel, entry: Neighbour) -> None:
    channel.tell(NEW, neighbour_body(entry), CREATE | REPLACE)


def delete_neighbour(channel: Channel, entry: Neighbour) -> None:
    channel.tell(DELETE, neighbour_body(entry))


def add_forward(channel: Channel, entry: Forward) -> None:
    channel.tell(NEW, forward_body(entry), CREATE | REPLACE)


def delete_forward(channel: Channel, entry: Forward) -> None:
    channel.tell(DELETE, forward_body(entry))


def neighbours(channel: Channel, family: int, device: int) -> Iterator[Neighbour]:
    """The permanent ones of an interface."""
    for found, flags in _entries(channel, family, device):
        if flags & PERMANENT and {DESTINATION, HARDWARE} <= found.keys():
            address = ipaddress.ip_address(found[DESTINATION])
            yield Neighbour(str(address), found[HARDWARE].hex(":"), device)


def forwards(channel: Channel, device: int) -> Iterator[Forward]:
    """Those of a tunnel."""
    for found, _ in _entries(channel, BRIDGE_FAMILY, device):
        if {DESTINATION, HARDWARE} <= found.keys():
            remote = ipaddress.ip_address(found[DESTINATION])
            yield Forward(found[HARDWARE].hex(":"), str(remote), device)


def neighbour_body(entry: Neighbour) -> bytes:
    there = ipaddress.ip_address(entry.address)
    head = BODY.pack(family_of(there), entry.device, PERMANENT, 0, 0)
    return head + attribute(DESTINATION, there.packed) + attribute(HARDWARE, octets(entry.hardware))


def forward_body(entry: Forward) -> bytes:
    there = ipaddress.ip_address(entry.remote)
    head = BODY.pack(BRIDGE_FAMILY, entry.device, PERMANENT, SELF, 0)
    return head + attribute(HARDWARE, octets(entry.hardware)) + attribute(DESTINATION, there.packed)


def _entries(channel: Channel, family: int, device: int) -> Iterator[tuple[dict[int, bytes], int]]:
    for answer in channel.dump(GET, BODY.pack(family, 0, 0, 0, 0)):
        _, index, state, _, _ = BODY.unpack_from(answer.body)
        if index == device:
            yield attributes(answer.body[BODY.size :]), state
