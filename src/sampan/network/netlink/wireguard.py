"""WireGuard's devices and peers as generic netlink says them. Source: linux/wireguard.h.

`*_attributes` render requests without I/O; the rest sends them.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

from sampan.network.netlink import generic
from sampan.network.netlink.message import attribute, attribute_list, attributes, nested, number, text

NAME = "wireguard"
GET_DEVICE, SET_DEVICE = 0, 1
INTERFACE_NAME, PRIVATE_KEY, LISTEN_PORT, PEERS = 2, 3, 6, 8
PEER_KEY, PEER_FLAGS, PEER_ENDPOINT, PEER_ALLOWED = 1, 3, 4, 9
ALLOWED_FAMILY, ALLOWED_ADDRESS, ALLOWED_MASK = 1, 2, 3
REMOVE, REPLACE_ALLOWED = 1, 2
KEY_BYTES = 32


class Peer(NamedTuple):
    """`key`: 32 bytes; `allowed`: the ranges behind it, sorted."""

    key: bytes
    endpoint: str
    port: int
    allowed: tuple[str, ...]


class WireGuard:
    """Raises OSError: 2 (ENOENT) where the kernel has no WireGuard."""

    def __init__(self) -> None:
        self._family = generic.Family(NAME)

    def close(self) -> None:
        self._family.close()

    def configure(self, device: str, private_key: bytes, port: int) -> None:
        self._family.tell(SET_DEVICE, device_attributes(device, private_key, port))

    def add(self, device: str, peer: Peer) -> None:
        """Replaces what is known of the peer."""
        self._family.tell(SET_DEVICE, peer_attributes(device, peer))

    def delete(self, device: str, peer: Peer) -> None:
        self._family.tell(SET_DEVICE, removal_attributes(device, peer.key))

    def peers(self, device: str) -> list[Peer]:
        return [peer for answer in self._family.dump(GET_DEVICE, text(INTERFACE_NAME, device)) for peer in read(answer)]


def device_attributes(device: str, private_key: bytes, port: int) -> bytes:
    own = attribute(PRIVATE_KEY, private_key) + attribute(LISTEN_PORT, struct.pack("=H", port))
    return text(INTERFACE_NAME, device) + own


def peer_attributes(device: str, peer: Peer) -> bytes:
    ranges = [nested(0, *_allowed(cidr)) for cidr in peer.allowed]
    told = (
        attribute(PEER_KEY, peer.key),
        number(PEER_FLAGS, REPLACE_ALLOWED),
        attribute(PEER_ENDPOINT, socket_address(peer.endpoint, peer.port)),
        nested(PEER_ALLOWED, *ranges),
    )
    return text(INTERFACE_NAME, device) + nested(PEERS, nested(0, *told))


def removal_attributes(device: str, key: bytes) -> bytes:
    return text(INTERFACE_NAME, device) + nested(PEERS, nested(0, attribute(PEER_KEY, key), number(PEER_FLAGS, REMOVE)))


def read(answer: bytes) -> Iterator[Peer]:
    """The peers in one answer about a device."""
    for _, data in attribute_list(attributes(answer).get(PEERS, b"")):
        found = attributes(data)
        endpoint, port = _endpoint(found.get(PEER_ENDPOINT, b""))
        ranges = (attributes(each) for _, each in attribute_list(found.get(PEER_ALLOWED, b"")))
        allowed = tuple(
            sorted(f"{ipaddress.ip_address(each[ALLOWED_ADDRESS])}/{each[ALLOWED_MASK][0]}" for each in ranges)
        )
        yield Peer(found[PEER_KEY], endpoint, port, allowed)


def socket_address(address: str, port: int) -> bytes:
    """A struct sockaddr_in or sockaddr_in6."""
    there = ipaddress.ip_address(address)
    if there.version == 4:
        return struct.pack("=H", socket.AF_INET) + struct.pack(">H", port) + there.packed + bytes(8)
    return struct.pack("=H", socket.AF_INET6) + struct.pack(">HI", port, 0) + there.packed + bytes(4)


def _endpoint(data: bytes) -> tuple[str, int]:
    if len(data) < 16:
        return "", 0
    (family,) = struct.unpack_from("=H", data)
    (port,) = struct.unpack_from(">H", data, 2)
    packed = data[4:8] if family == socket.AF_INET else data[8:24]
    return str(ipaddress.ip_address(packed)), port


def _allowed(cidr: str) -> Iterator[bytes]:
    network = ipaddress.ip_network(cidr)
    family = socket.AF_INET6 if network.version == 6 else socket.AF_INET
    yield attribute(ALLOWED_FAMILY, struct.pack("=H", family))
    yield attribute(ALLOWED_ADDRESS, network.network_address.packed)
    yield attribute(ALLOWED_MASK, bytes([network.prefixlen]))
