"""Asks a node's kernel whether it is there: by an ICMP echo (RFC 792, RFC 4443), thoroughly also by a TCP connection.

Whether the port is open, closed or guarded by somebody who refuses does not matter: each is an answer. Answers are
fetched, not awaited, so that whoever comes late to look at the clock has looked at the answers before.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import select
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from sampan.network.liveness.judgement import Place, Probe

HEAD = struct.Struct(">BBHHH")
ANSWERS = (0, errno.ECONNREFUSED, errno.ECONNRESET)
RECEIVE_BYTES = 256
MOST_AT_ONCE = 10_000
"""Packets taken from a socket in one go: a flood of them must not hold up the node."""


class Probes(Protocol):
    def send(self, probe: Probe) -> None:
        """Asks; a packet that cannot be sent is one that gets no answer."""
        ...

    def received(self) -> set[str]:
        """The addresses that have answered since the last call."""
        ...

    def close(self) -> None: ...


class Kind(NamedTuple):
    """One family's echo: the numbers of question and answer, and how to see no other packets."""

    family: socket.AddressFamily
    protocol: int
    question: int
    answer: int
    filter_level: int
    filter: bytes


_EVERYTHING_ELSE_6 = bytearray(b"\xff" * 32)
_EVERYTHING_ELSE_6[129 // 32 * 4 : 129 // 32 * 4 + 4] = struct.pack("=I", 0xFFFFFFFF & ~(1 << 129 % 32))
KINDS = {
    4: Kind(socket.AF_INET, socket.IPPROTO_ICMP, 8, 0, 255, struct.pack("=I", 0xFFFFFFFE)),
    6: Kind(socket.AF_INET6, socket.IPPROTO_ICMPV6, 128, 129, 58, bytes(_EVERYTHING_ELSE_6)),
}
"""Source of the filters: raw(7) ICMP_FILTER; RFC 3542, section 3.2."""


class KernelProbes:
    """Of the network namespace it is made in; `secret`: 64 bits that tell our answers from others'."""

    def __init__(self, secret: int) -> None:
        self._secret = struct.pack(">Q", secret)
        self._echoes: dict[int, socket.socket] = {}
        self._connections: dict[str, socket.socket] = {}
        for version, kind in KINDS.items():
            with contextlib.suppress(OSError):
                self._echoes[version] = _echo_socket(kind)

    def send(self, probe: Probe) -> None:
        version = ipaddress.ip_address(probe.place.address).version
        with contextlib.suppress(OSError):
            if version in self._echoes:
                packet = question(KINDS[version], self._secret)
                self._echoes[version].sendto(packet, socket.MSG_DONTWAIT, (probe.place.address, 0))
        if probe.thorough and probe.place.port:
            self._connect(version, probe.place)

    def received(self) -> set[str]:
        return {*self._echoed(), *self._connected()}

    def close(self) -> None:
        for each in (*self._echoes.values(), *self._connections.values()):
            each.close()

    def _connect(self, version: int, place: Place) -> None:
        self._drop(place.address)
        opened = socket.socket(KINDS[version].family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        opened.connect_ex(tuple(place))
        self._connections[place.address] = opened

    def _drop(self, address: str) -> None:
        if known := self._connections.pop(address, None):
            known.close()

    def _echoed(self) -> Iterator[str]:
        for version, receiver in self._echoes.items():
            with contextlib.suppress(OSError):
                for _ in range(MOST_AT_ONCE):
                    data, source = receiver.recvfrom(RECEIVE_BYTES)
                    if answers(data, KINDS[version], self._secret):
                        yield str(source[0])

    def _connected(self) -> Iterator[str]:
        waiting = select.poll()
        addresses = {opened.fileno(): address for address, opened in self._connections.items()}
        for number in addresses:
            waiting.register(number, select.POLLOUT)
        for number, _ in waiting.poll(0) if addresses else ():
            address = addresses[number]
            if self._connections[address].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in ANSWERS:
                yield address
            self._drop(address)


def question(kind: Kind, secret: bytes) -> bytes:
    """An echo request; of ICMPv6 the kernel makes the checksum."""
    bare = HEAD.pack(kind.question, 0, 0, 0, 0) + secret
    return HEAD.pack(kind.question, 0, 0 if kind.family == socket.AF_INET6 else _checksum(bare), 0, 0) + secret


def answers(data: bytes, kind: Kind, secret: bytes) -> bool:
    """Whether a received packet (of IPv4 with its header) is the answer to a question of ours."""
    start = (data[0] & 15) * 4 if kind.family == socket.AF_INET and data else 0
    return len(data) > start and data[start] == kind.answer and data[start + HEAD.size :] == secret


def _echo_socket(kind: Kind) -> socket.socket:
    opened = socket.socket(kind.family, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, kind.protocol)
    opened.setsockopt(kind.filter_level, 1, kind.filter)
    return opened


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
