"""SCTP by raw sockets: not every kernel speaks it, but each that tracks it translates and filters it for pods that do.

The association's first two packets are enough to see who is reached, and as whom. Source: RFC 9260, 3 and Appendix A.
"""

from __future__ import annotations

import socket
import struct
import threading
from typing import NamedTuple

from .world import World, inside

PROTOCOL = 132
INIT, INIT_ACK = 1, 2
HEAD = struct.Struct(">HHII")
CHUNK = struct.Struct(">BBHIIHHI")
IP_HEADER_BYTES = 20


class Answer(NamedTuple):
    """Who answered, as the client sees it, and with which tag: a server has its own."""

    address: str
    tag: int


def serve(world: World, namespace: str, port: int, tag: int) -> None:
    """Answers every INIT until the test's end."""
    with inside(namespace):
        server = socket.socket(socket.AF_INET, socket.SOCK_RAW, PROTOCOL)
    world.keep(server)
    threading.Thread(target=_answer, args=(server, port, tag), daemon=True).start()


def ask(namespace: str, address: str, port: int, source_port: int) -> Answer | None:
    """Begins an association; None when nobody answers in time."""
    with inside(namespace), socket.socket(socket.AF_INET, socket.SOCK_RAW, PROTOCOL) as client:
        client.settimeout(1)
        client.connect((address, 0))
        client.send(packet(source_port, port, 0, INIT, 77))
        while True:
            try:
                data, sender = client.recvfrom(2000)
            except (TimeoutError, ConnectionRefusedError, OSError):
                return None
            source, target, kind, tag = parsed(data)
            if (source, target, kind) == (port, source_port, INIT_ACK):
                return Answer(sender[0], tag)


def packet(source: int, target: int, verification: int, kind: int, tag: int) -> bytes:
    """One chunk, INIT or INIT ACK (in which the cookie is left out)."""
    chunk = CHUNK.pack(kind, 0, CHUNK.size, tag, 65536, 1, 1, 1)
    unsigned = HEAD.pack(source, target, verification, 0) + chunk
    checksum = int.from_bytes(crc32c(unsigned).to_bytes(4, "little"), "big")
    return HEAD.pack(source, target, verification, checksum) + chunk


def parsed(data: bytes) -> tuple[int, int, int, int]:
    """(source port, target port, kind of chunk, tag) of an IPv4 packet."""
    body = data[IP_HEADER_BYTES:]
    source, target, _, _ = HEAD.unpack_from(body)
    kind, _, _, tag, *_ = CHUNK.unpack_from(body, HEAD.size)
    return source, target, kind, tag


def crc32c(data: bytes) -> int:
    """Castagnoli's."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def _answer(server: socket.socket, port: int, tag: int) -> None:
    while True:
        try:
            data, client = server.recvfrom(2000)
            if not data:
                return
            source, target, kind, theirs = parsed(data)
            if (target, kind) == (port, INIT):
                server.sendto(packet(port, source, theirs, INIT_ACK, tag), client)
        except OSError:
            return
