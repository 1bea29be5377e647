"""Netlink's wire format: messages in a datagram, attributes in a message. No I/O."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

HEADER = struct.Struct("=IHHII")
ATTRIBUTE = struct.Struct("=HH")
REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
REPLACE, EXCLUSIVE, CREATE, APPEND = 0x100, 0x200, 0x400, 0x800
ERROR, DONE = 2, 3
NESTED = 0x8000
KIND = 0x3FFF


class Message(NamedTuple):
    kind: int
    number: int
    body: bytes


def message(kind: int, flags: int, number: int, body: bytes) -> bytes:
    return HEADER.pack(HEADER.size + len(body), kind, flags, number, 0) + body


def messages(data: bytes) -> Iterator[Message]:
    """Those in one datagram."""
    offset = 0
    while offset + HEADER.size <= len(data):
        length, kind, _, number, _ = HEADER.unpack_from(data, offset)
        if length < HEADER.size:
            return
        yield Message(kind, number, data[offset + HEADER.size : offset + length])
        offset += aligned(length)


def attribute(kind: int, value: bytes) -> bytes:
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def nested(kind: int, *values: bytes) -> bytes:
    return attribute(kind | NESTED, b"".join(values))


def number(kind: int, value: int) -> bytes:
    """A 32-bit number in the machine's byte order."""
    return attribute(kind, struct.pack("=I", value))


def text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")


def attributes(data: bytes) -> dict[int, bytes]:
    """Kind -> value; of several of one kind the last."""
    return dict(attribute_list(data))


def attribute_list(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + ATTRIBUTE.size <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, offset)
        if length < ATTRIBUTE.size:
            return
        yield kind & KIND, data[offset + ATTRIBUTE.size : offset + length]
        offset += aligned(length)


def aligned(length: int) -> int:
    return (length + 3) & ~3
