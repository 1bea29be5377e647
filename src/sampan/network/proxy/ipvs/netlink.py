"""Generic netlink to IPVS. Source: linux/genetlink.h; RFC 3549."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator, Sequence

from sampan.network.errors import RefusedByKernel, Unusable
from sampan.network.proxy.ipvs.messages import FLUSH, GET_SERVICE, Request

GENERIC = 16
CONTROLLER, GET_FAMILY, FAMILY_NAME, FAMILY_ID = 16, 3, 2, 1
REQUEST, ACKNOWLEDGE, DUMP = 0x1, 0x4, 0x300
ERROR, DONE = 2, 3
NAME, VERSION = b"IPVS\0", 1
SECONDS = 5.0


class Ipvs:
    """One socket, in the network namespace its first request was made in. Raises Unusable where there is no IPVS."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._family = 0

    def send(self, requests: Sequence[Request]) -> None:
        """One after the other; raises RefusedByKernel at the first that is refused."""
        for request in requests:
            self._exchange(self._of_ipvs(), request, REQUEST | ACKNOWLEDGE)

    def flush(self) -> None:
        self.send([Request(FLUSH, b"")])

    def count(self) -> int:
        """How many virtual servers there are."""
        return self._exchange(self._of_ipvs(), Request(GET_SERVICE, b""), REQUEST | DUMP)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _of_ipvs(self) -> int:
        """The family's number, asked once."""
        if self._socket is None:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, GENERIC)
            self._socket.settimeout(SECONDS)
            self._family = self._ask_family()
        return self._family

    def _ask_family(self) -> int:
        assert self._socket is not None
        name = struct.pack("=HH", 4 + len(NAME), FAMILY_NAME) + NAME + bytes(-len(NAME) % 4)
        self._socket.send(message(CONTROLLER, Request(GET_FAMILY, name), REQUEST))
        for kind, body in answers(self._socket.recv(1 << 16)):
            if kind == ERROR and struct.unpack_from("=i", body)[0]:
                self.close()
                raise Unusable("this kernel has no IPVS: modprobe ip_vs, or use proxy mode nftables")
            for attribute, value in _attributes(body[4:]):
                if attribute == FAMILY_ID:
                    return int(struct.unpack_from("=H", value)[0])
        raise Unusable("the kernel does not tell where IPVS is: use proxy mode nftables")

    def _exchange(self, family: int, request: Request, flags: int) -> int:
        """Sends and reads until it is done; gives the number of answers."""
        assert self._socket is not None
        self._socket.send(message(family, request, flags))
        found = 0
        while True:
            for kind, body in answers(self._socket.recv(1 << 16)):
                if kind == ERROR:
                    code = -struct.unpack_from("=i", body)[0]
                    if code:
                        raise RefusedByKernel(f"IPVS refuses command {request.command}: {os.strerror(code)}")
                    return found
                if kind == DONE:
                    return found
                found += 1


def message(family: int, request: Request, flags: int) -> bytes:
    """A generic netlink message."""
    body = struct.pack("=BBH", request.command, VERSION, 0) + request.payload
    return struct.pack("=IHHII", 16 + len(body), family, flags, 1, 0) + body


def answers(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, body) of each message in a datagram."""
    offset = 0
    while offset + 16 <= len(data):
        length, kind = struct.unpack_from("=IH", data, offset)
        yield kind, data[offset + 16 : offset + length]
        offset += max((length + 3) & ~3, 16)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        if length < 4:
            return
        yield kind & 0x3FFF, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3
