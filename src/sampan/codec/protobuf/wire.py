"""The wire format: numbered fields of four kinds (protobuf.dev, "Encoding")."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from sampan.codec.errors import CodecError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
LONGEST_VARINT = 10


class Malformed(CodecError):
    """The bytes are no protobuf message."""


def fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """(number, wire type, value) of each field of a message; a value is an integer or the bytes it holds."""
    at, end = 0, len(data)
    while at < end:
        tag, at = varint(data, at)
        number, wire = tag >> 3, tag & 7
        value: int | bytes
        if wire == VARINT:
            value, at = varint(data, at)
        else:
            size, at = _size(data, at, wire)
            if at + size > end:
                raise Malformed("the protobuf message ends in the middle of a field")
            value = data[at : at + size]
            at += size
        yield number, wire, value


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The unsigned integer at a position, and the position behind it."""
    value = shift = 0
    for index in range(at, min(at + LONGEST_VARINT, len(data))):
        byte = data[index]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, index + 1
        shift += 7
    raise Malformed("the protobuf message has a number that does not end")


def written(value: int) -> bytes:
    """The unsigned integer as `varint` reads it."""
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


def signed(value: int) -> int:
    """An int64 (or int32, sent sign-extended) from the unsigned integer on the wire."""
    return value - (1 << 64) if value >= 1 << 63 else value


def double(value: bytes) -> float:
    return float(struct.unpack("<d", value)[0])


def _size(data: bytes, at: int, wire: int) -> tuple[int, int]:
    if wire == BYTES:
        return varint(data, at)
    if wire == FIXED64:
        return 8, at
    if wire == FIXED32:
        return 4, at
    raise Malformed(f"the protobuf message has a field of wire type {wire}, which is not in use")
