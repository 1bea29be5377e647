"""Messages put together by hand: fields by number, in an envelope such as clients send."""

from __future__ import annotations

import struct

from sampan.codec import protobuf


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def block(number: int, *content: bytes | str) -> bytes:
    """A string, bytes, or a message of fields."""
    joined = b"".join(part.encode() if isinstance(part, str) else part for part in content)
    return varint(number << 3 | 2) + varint(len(joined)) + joined


def whole(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def double(number: int, value: float) -> bytes:
    return varint(number << 3 | 1) + struct.pack("<d", value)


def entry(number: int, key: str, value: bytes) -> bytes:
    """An entry of a map whose values are messages or strings."""
    return block(number, block(1, key), block(2, value))


def body(api_version: str, kind: str, content: bytes) -> bytes:
    typed = block(1, api_version) + block(2, kind)
    return protobuf.MAGIC + block(1, typed) + block(2, content)
