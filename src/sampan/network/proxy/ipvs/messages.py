"""Requests to IPVS as generic netlink messages: the command and its attributes. Pure. Source: linux/ip_vs.h."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from sampan.network.proxy.model import Endpoint

NEW_SERVICE, SET_SERVICE, DEL_SERVICE, GET_SERVICE, NEW_DEST, DEL_DEST, FLUSH = 1, 2, 3, 4, 5, 7, 17
SERVICE, DEST = 1, 2
AF, PROTOCOL, ADDRESS, PORT, SCHEDULER, FLAGS, TIMEOUT, NETMASK = 1, 2, 3, 4, 6, 7, 8, 9
TO_ADDRESS, TO_PORT, FORWARDING, WEIGHT, UPPER, LOWER, TO_FAMILY = 1, 2, 3, 4, 5, 6, 11
NESTED = 0x8000
PERSISTENT, ALL_FLAGS = 1, 0xFFFFFFFF
MASQUERADING = 0
PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP, "sctp": socket.IPPROTO_SCTP}


class Virtual(NamedTuple):
    """A virtual server's identity."""

    protocol: str
    address: str
    port: int


class Request(NamedTuple):
    command: int
    payload: bytes


def service(command: int, virtual: Virtual, scheduler: str, affinity: int) -> Request:
    """To make (NEW_SERVICE) or change (SET_SERVICE) a virtual server; `affinity` in seconds, 0 for none."""
    parts = (
        _identity(virtual),
        _attribute(SCHEDULER, scheduler.encode() + b"\0"),
        _attribute(FLAGS, struct.pack("=II", PERSISTENT if affinity else 0, ALL_FLAGS)),
        _attribute(TIMEOUT, struct.pack("=I", affinity)),
        _attribute(NETMASK, _netmask(virtual)),
    )
    return Request(command, _attribute(SERVICE | NESTED, b"".join(parts)))


def removal(virtual: Virtual) -> Request:
    return Request(DEL_SERVICE, _attribute(SERVICE | NESTED, _identity(virtual)))


def destination(command: int, virtual: Virtual, endpoint: Endpoint) -> Request:
    """To add (NEW_DEST) or take away (DEL_DEST) an endpoint."""
    family, packed = _packed(endpoint.address)
    parts = (
        _attribute(TO_ADDRESS, packed.ljust(16, b"\0")),
        _attribute(TO_PORT, struct.pack(">H", endpoint.port)),
        _attribute(FORWARDING, struct.pack("=I", MASQUERADING)),
        _attribute(WEIGHT, struct.pack("=I", 1)),
        _attribute(UPPER, struct.pack("=I", 0)),
        _attribute(LOWER, struct.pack("=I", 0)),
        _attribute(TO_FAMILY, struct.pack("=H", family)),
    )
    whose = _attribute(SERVICE | NESTED, _identity(virtual))
    return Request(command, whose + _attribute(DEST | NESTED, b"".join(parts)))


def _identity(virtual: Virtual) -> bytes:
    family, packed = _packed(virtual.address)
    return b"".join(
        (
            _attribute(AF, struct.pack("=H", family)),
            _attribute(PROTOCOL, struct.pack("=H", PROTOCOLS[virtual.protocol])),
            _attribute(ADDRESS, packed.ljust(16, b"\0")),
            _attribute(PORT, struct.pack(">H", virtual.port)),
        )
    )


def _netmask(virtual: Virtual) -> bytes:
    """Whose clients count as one: every address for itself, a mask for IPv4 and a length for IPv6."""
    return struct.pack("=I", 128) if ":" in virtual.address else b"\xff" * 4


def _packed(address: str) -> tuple[int, bytes]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.inet_pton(family, address)


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)
