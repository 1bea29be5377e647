"""Requests to IPVS and its answers, as generic netlink: a command and its attributes. Pure. Source: linux/ip_vs.h."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from sampan.network.netlink.message import attribute, attributes, nested, number, text
from sampan.network.proxy.ipvs.tuning import Tuning
from sampan.network.proxy.model import Endpoint

NEW_SERVICE, SET_SERVICE, DEL_SERVICE, GET_SERVICE = 1, 2, 3, 4
NEW_DEST, SET_DEST, DEL_DEST, GET_DEST = 5, 6, 7, 8
SET_CONFIG = 12
TIMEOUT_TCP, TIMEOUT_TCP_FIN, TIMEOUT_UDP = 4, 5, 6
SERVICE, DEST = 1, 2
AF, PROTOCOL, ADDRESS, PORT, SCHEDULER, FLAGS, TIMEOUT, NETMASK = 1, 2, 3, 4, 6, 7, 8, 9
TO_ADDRESS, TO_PORT, FORWARDING, WEIGHT, UPPER, LOWER, ACTIVE, INACTIVE, TO_FAMILY = 1, 2, 3, 4, 5, 6, 7, 8, 11
PERSISTENT, ALL_FLAGS = 1, 0xFFFFFFFF
SCHEDULER_FLAGS = {"mh": 0x10}
"""Maglev hashing takes the client's port into account, as kube-proxy has it."""
MASQUERADING = 0
PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP, "sctp": socket.IPPROTO_SCTP}
NAMES = {value: name for name, value in PROTOCOLS.items()}


class Virtual(NamedTuple):
    """A virtual server's identity."""

    protocol: str
    address: str
    port: int


class Held(NamedTuple):
    """A virtual server as the kernel has it; `affinity` in seconds, 0 for none."""

    virtual: Virtual
    scheduler: str
    affinity: int


class Real(NamedTuple):
    """A real server as the kernel has it. With weight 0 it gets no new connection; `connections` are those it has."""

    endpoint: Endpoint
    weight: int
    connections: int


class Request(NamedTuple):
    command: int
    payload: bytes


def service(command: int, virtual: Virtual, scheduler: str, affinity: int) -> Request:
    """To make (NEW_SERVICE) or change (SET_SERVICE) a virtual server; `affinity` in seconds, 0 for none."""
    flags = SCHEDULER_FLAGS.get(scheduler, 0) | (PERSISTENT if affinity else 0)
    parts = (
        _identity(virtual),
        text(SCHEDULER, scheduler),
        attribute(FLAGS, struct.pack("=II", flags, ALL_FLAGS)),
        number(TIMEOUT, affinity),
        attribute(NETMASK, _netmask(virtual)),
    )
    return Request(command, nested(SERVICE, *parts))


def removal(virtual: Virtual) -> Request:
    return Request(DEL_SERVICE, nested(SERVICE, _identity(virtual)))


def destination(command: int, virtual: Virtual, endpoint: Endpoint, weight: int = 1) -> Request:
    """To add (NEW_DEST), weigh anew (SET_DEST) or take away (DEL_DEST) an endpoint."""
    family, packed = _packed(endpoint.address)
    parts = (
        attribute(TO_ADDRESS, packed.ljust(16, b"\0")),
        attribute(TO_PORT, struct.pack(">H", endpoint.port)),
        number(FORWARDING, MASQUERADING),
        number(WEIGHT, weight),
        number(UPPER, 0),
        number(LOWER, 0),
        attribute(TO_FAMILY, struct.pack("=H", family)),
    )
    return Request(command, nested(SERVICE, _identity(virtual)) + nested(DEST, *parts))


def timeouts(tuning: Tuning) -> Request | None:
    """How long connections are remembered; what is 0 stays as it is, None when all is."""
    given = {
        TIMEOUT_TCP: tuning.tcp_seconds,
        TIMEOUT_TCP_FIN: tuning.tcp_fin_seconds,
        TIMEOUT_UDP: tuning.udp_seconds,
    }
    parts = [number(kind, seconds) for kind, seconds in given.items() if seconds]
    return Request(SET_CONFIG, b"".join(parts)) if parts else None


def question(virtual: Virtual) -> Request:
    """For the real servers of a virtual one."""
    return Request(GET_DEST, nested(SERVICE, _identity(virtual)))


def read_service(answer: bytes) -> Held | None:
    """None for one that is known by a firewall mark, or of a protocol that Services have not."""
    found = attributes(attributes(answer).get(SERVICE, b""))
    protocol = NAMES.get(struct.unpack("=H", found[PROTOCOL])[0]) if ADDRESS in found else None
    if protocol is None:
        return None
    (family,), (port,) = struct.unpack("=H", found[AF]), struct.unpack(">H", found[PORT])
    virtual = Virtual(protocol, _unpacked(family, found[ADDRESS]), port)
    persistent = struct.unpack_from("=I", found[FLAGS])[0] & PERSISTENT
    scheduler = found.get(SCHEDULER, b"").rstrip(b"\0").decode(errors="replace")
    return Held(virtual, scheduler, struct.unpack("=I", found[TIMEOUT])[0] if persistent else 0)


def read_destination(answer: bytes) -> Real:
    found = attributes(attributes(answer)[DEST])
    address = found[TO_ADDRESS]
    told = struct.unpack("=H", found[TO_FAMILY])[0] if TO_FAMILY in found else socket.AF_INET
    weight, active, inactive = (struct.unpack("=I", found[kind])[0] for kind in (WEIGHT, ACTIVE, INACTIVE))
    endpoint = Endpoint(_unpacked(told, address), struct.unpack(">H", found[TO_PORT])[0])
    return Real(endpoint, weight, active + inactive)


def _identity(virtual: Virtual) -> bytes:
    family, packed = _packed(virtual.address)
    return b"".join(
        (
            attribute(AF, struct.pack("=H", family)),
            attribute(PROTOCOL, struct.pack("=H", PROTOCOLS[virtual.protocol])),
            attribute(ADDRESS, packed.ljust(16, b"\0")),
            attribute(PORT, struct.pack(">H", virtual.port)),
        )
    )


def _netmask(virtual: Virtual) -> bytes:
    """Whose clients count as one: every address for itself, a mask for IPv4 and a length for IPv6."""
    return struct.pack("=I", 128) if ":" in virtual.address else b"\xff" * 4


def _packed(address: str) -> tuple[int, bytes]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.inet_pton(family, address)


def _unpacked(family: int, data: bytes) -> str:
    return socket.inet_ntop(family, data[: 16 if family == socket.AF_INET6 else 4])
