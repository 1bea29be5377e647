"""Records of others' messages written out, so that they can stand in a message of ours.

Names there point to other places of their message (RFC 1035 section 4.1.4), within the data of some types, too; which
ones those are is a closed list (RFC 3597 section 4).
"""

from __future__ import annotations

import struct

from sampan.network.dns.message import Broken, Message, Part, ttl_of
from sampan.network.dns.wire import CNAME, MX, NS, PTR, SOA, SRV

NAMES = {NS: (0, 1), CNAME: (0, 1), PTR: (0, 1), SOA: (0, 2), MX: (2, 1), SRV: (6, 1)}
"""Type -> bytes of data before its names, number of names."""


def spelled_out(message: Message, age: int) -> list[bytes]:
    """The answer section's records, their lifetimes shorter by `age` seconds. Raises Broken."""
    try:
        return [_record(message.data, part, age) for part in message.parts if part.section == 0]
    except (IndexError, struct.error):
        raise Broken("a name ends in the middle") from None


def _record(message: bytes, part: Part, age: int) -> bytes:
    owner, _ = _name(message, part.start)
    data = _data(message, part)
    lifetime = max(ttl_of(message, part) - age, 0)
    return owner + message[part.data - 10 : part.data - 6] + struct.pack(">IH", lifetime, len(data)) + data


def _data(message: bytes, part: Part) -> bytes:
    before, names = NAMES.get(part.type, (part.end - part.data, 0))
    offset = part.data + before
    pieces = [message[part.data : offset]]
    for _ in range(names):
        name, offset = _name(message, offset)
        pieces.append(name)
    if offset > part.end:
        raise Broken("a name that is longer than its record")
    return b"".join((*pieces, message[offset : part.end]))


def _name(message: bytes, offset: int) -> tuple[bytes, int]:
    """The name there, and the offset behind it. Pointers lead back, so that there is an end."""
    labels, behind, earliest = bytearray(), 0, offset
    while length := message[offset]:
        if length >= 0xC0:
            behind = behind or offset + 2
            offset = int(struct.unpack_from(">H", message, offset)[0]) & 0x3FFF
            if offset >= earliest:
                raise Broken("a name that points ahead")
            earliest = offset
            continue
        labels += message[offset : offset + length + 1]
        offset += length + 1
        if length > 63 or len(labels) > 254:
            raise Broken("a name that is too long")
    return bytes(labels) + b"\0", behind or offset + 1
