"""Interfaces and their addresses as rtnetlink says them. Source: linux/if_link.h, rtnetlink(7)."""

from __future__ import annotations

import ipaddress
import struct
from typing import NamedTuple

from sampan.network.netlink.channel import Channel
from sampan.network.netlink.message import CREATE, EXCLUSIVE, REPLACE, attribute, attributes, nested, number, text
from sampan.network.netlink.route import family_of

NEW, DELETE, GET = 16, 17, 18
NEW_ADDRESS, DELETE_ADDRESS, GET_ADDRESS = 20, 21, 22
BODY = struct.Struct("=BBHiII")
ADDRESS_BODY = struct.Struct("=BBBBI")
UP = 1
AT_ONCE, TENTATIVE = 0x02, 0x40
"""No duplicate is looked for (IFA_F_NODAD); one is being looked for (IFA_F_TENTATIVE)."""
HARDWARE, NAME, MTU, INFO = 1, 3, 4, 18
INFO_KIND, INFO_DATA = 1, 2
VXLAN_ID, VXLAN_LOCAL, VXLAN_LEARNING, VXLAN_PORT, VXLAN_LOCAL6 = 1, 4, 7, 15, 17
ADDRESS, LOCAL = 1, 2
LINK_SCOPE = 253


class Link(NamedTuple):
    number: int
    name: str
    mtu: int
    hardware: str
    kind: str
    local: str
    """Where a tunnel begins; "" for others."""


class Vxlan(NamedTuple):
    """A tunnel's end that neither learns nor floods. `hardware` is a MAC address, `local` an address of this node."""

    name: str
    identifier: int
    port: int
    local: str
    hardware: str
    mtu: int


def links(channel: Channel) -> list[Link]:
    """All there are."""
    return [_link(answer.body) for answer in channel.dump(GET, BODY.pack(0, 0, 0, 0, 0, 0))]


def add_plain(channel: Channel, name: str, kind: str, mtu: int) -> None:
    """Makes one of a kind that needs no more words; raises OSError: 95 (EOPNOTSUPP) where the kernel has none."""
    body = BODY.pack(0, 0, 0, 0, 0, 0) + text(NAME, name) + number(MTU, mtu) + nested(INFO, text(INFO_KIND, kind))
    channel.tell(NEW, body, CREATE | EXCLUSIVE)


def add(channel: Channel, device: Vxlan) -> None:
    """The same for a tunnel's end."""
    here = ipaddress.ip_address(device.local)
    data = (
        number(VXLAN_ID, device.identifier),
        attribute(VXLAN_LOCAL6 if here.version == 6 else VXLAN_LOCAL, here.packed),
        attribute(VXLAN_LEARNING, b"\0"),
        attribute(VXLAN_PORT, struct.pack(">H", device.port)),
    )
    body = (
        BODY.pack(0, 0, 0, 0, 0, 0)
        + text(NAME, device.name)
        + attribute(HARDWARE, octets(device.hardware))
        + number(MTU, device.mtu)
        + nested(INFO, text(INFO_KIND, "vxlan"), nested(INFO_DATA, *data))
    )
    channel.tell(NEW, body, CREATE | EXCLUSIVE)


def delete(channel: Channel, index: int) -> None:
    channel.tell(DELETE, BODY.pack(0, 0, 0, index, 0, 0))


def set_up(channel: Channel, index: int, mtu: int) -> None:
    channel.tell(NEW, BODY.pack(0, 0, 0, index, UP, UP) + number(MTU, mtu))


def add_address(channel: Channel, index: int, address: str) -> None:
    """Alone in its network (/32, /128)."""
    channel.tell(NEW_ADDRESS, _address_body(index, address), CREATE | REPLACE)


def delete_address(channel: Channel, index: int, address: str) -> None:
    channel.tell(DELETE_ADDRESS, _address_body(index, address))


def tentative(channel: Channel, index: int) -> list[str]:
    """The addresses of an interface that are not used yet, each with its prefix's length."""
    found = []
    for answer in channel.dump(GET_ADDRESS, ADDRESS_BODY.pack(0, 0, 0, 0, 0)):
        _, length, flags, _, device = ADDRESS_BODY.unpack_from(answer.body)
        if device == index and flags & TENTATIVE:
            here = attributes(answer.body[ADDRESS_BODY.size :])[ADDRESS]
            found.append(f"{ipaddress.ip_address(here)}/{length}")
    return found


def give_again(channel: Channel, index: int, cidr: str) -> None:
    """Takes an address away and gives it again, to be used at once."""
    body = _address_body(index, *cidr.split("/"))
    channel.tell(DELETE_ADDRESS, body)
    channel.tell(NEW_ADDRESS, body, CREATE | REPLACE)


def addresses(channel: Channel) -> list[tuple[str, int]]:
    """Every address of the machine, with the index of the interface that has it."""
    found = []
    for answer in channel.dump(GET_ADDRESS, ADDRESS_BODY.pack(0, 0, 0, 0, 0)):
        parts = attributes(answer.body[ADDRESS_BODY.size :])
        index = ADDRESS_BODY.unpack_from(answer.body)[4]
        found.append((str(ipaddress.ip_address(parts.get(LOCAL) or parts[ADDRESS])), index))
    return found


def networks(channel: Channel) -> list[tuple[str, str]]:
    """(interface, network) of those that the machine is in; addresses that are alone in theirs are left out."""
    names = {each.number: each.name for each in links(channel)}
    found = []
    for answer in channel.dump(GET_ADDRESS, ADDRESS_BODY.pack(0, 0, 0, 0, 0)):
        fields = ADDRESS_BODY.unpack_from(answer.body)
        address = ipaddress.ip_address(attributes(answer.body[ADDRESS_BODY.size :])[ADDRESS])
        if fields[1] < address.max_prefixlen:
            network = ipaddress.ip_network(f"{address}/{fields[1]}", strict=False)
            found.append((names.get(fields[4], str(fields[4])), str(network)))
    return found


def holder(channel: Channel, address: str) -> int:
    """The index of the interface that has that address; 0 when none has."""
    return dict(reversed(addresses(channel))).get(str(ipaddress.ip_address(address)), 0)


def octets(hardware: str) -> bytes:
    return bytes.fromhex(hardware.replace(":", ""))


def _address_body(index: int, address: str, length: str = "") -> bytes:
    here = ipaddress.ip_address(address)
    scope = LINK_SCOPE if here.is_link_local else 0
    body = ADDRESS_BODY.pack(family_of(here), int(length or here.max_prefixlen), AT_ONCE, scope, index)
    return body + attribute(LOCAL, here.packed) + attribute(ADDRESS, here.packed)


def _link(body: bytes) -> Link:
    index = BODY.unpack_from(body)[3]
    found = attributes(body[BODY.size :])
    info = attributes(found.get(INFO, b""))
    data = attributes(info.get(INFO_DATA, b""))
    kind = info.get(INFO_KIND, b"").rstrip(b"\0").decode()
    here = data.get(VXLAN_LOCAL) or data.get(VXLAN_LOCAL6) if kind == "vxlan" else None
    return Link(
        number=index,
        name=found.get(NAME, b"").rstrip(b"\0").decode(),
        mtu=struct.unpack("=I", found[MTU])[0] if MTU in found else 0,
        hardware=found.get(HARDWARE, b"").hex(":"),
        kind=kind,
        local=str(ipaddress.ip_address(here)) if here else "",
    )
