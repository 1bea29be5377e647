"""Messages from upstream: where their records are, which of them count, how long they may be kept.

A message is kept and passed on as it came, compression and all; only identifier, flags, question, lifetimes and the
number of records are written anew. Source: RFC 1035 section 4, RFC 2308 (negative answers), RFC 6891 (EDNS).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from sampan.network.dns.wire import (
    CD,
    CNAME,
    DO,
    NOERROR,
    NXDOMAIN,
    OPT,
    OPT_RECORD,
    OPT_WITH_DO,
    QR,
    RA,
    RD,
    RRSIG,
    SOA,
    TC,
    Query,
)

MAXIMUM_RECORDS = 2000


class Broken(Exception):
    """The message does not follow the rules."""


class Part(NamedTuple):
    """One record of a message. `section`: 0 answer, 1 authority, 2 additional; `data` is where its data begins."""

    section: int
    type: int
    start: int
    data: int
    end: int


class Message:
    """A response without OPT: `data` is all of it, `end` the offset behind the question."""

    __slots__ = ("_aged", "data", "end", "flags", "parts", "rcode")

    def __init__(self, data: bytes, end: int, parts: tuple[Part, ...]) -> None:
        self.data = data
        self.end = end
        self.parts = parts
        self.flags = int(struct.unpack_from(">H", data, 2)[0])
        self.rcode = self.flags & 15
        self._aged: tuple[int, bytes] | None = None

    def aged(self, seconds: int) -> bytes:
        """What stands behind the question, with lifetimes so much shorter; made once a second, if it is asked for."""
        if self._aged is None or self._aged[0] != seconds:
            body = bytearray(self.data[self.end :])
            for part in self.parts:
                left = max(ttl_of(self.data, part) - seconds, 0)
                struct.pack_into(">I", body, part.data - 6 - self.end, left)
            self._aged = seconds, bytes(body)
        return self._aged[1]

    @property
    def is_denial(self) -> bool:
        """No such name, or nothing of this type (RFC 2308)."""
        answered = any(part.section == 0 and part.type not in (CNAME, RRSIG) for part in self.parts)
        return self.rcode == NXDOMAIN or not answered

    @property
    def truncated(self) -> bool:
        return bool(self.flags & TC)


def query_bytes(identifier: int, question: bytes, wish: int = 0) -> bytes:
    """A query for upstream: recursion desired, EDNS with our datagram size; `wish` as of `Query.wish`."""
    opt = OPT_WITH_DO if wish & DO else OPT_RECORD
    return struct.pack(">HHHHHH", identifier, RD | (wish & CD), 1, 0, 0, 1) + question + opt


def parse(data: bytes, identifier: int, question: bytes) -> Message:
    """Reads the response to `query_bytes(identifier, question)`; raises Broken when it is not one."""
    try:
        given, flags, questions, *counts = struct.unpack_from(">HHHHHH", data)
        end = 12 + len(question)
        if given != identifier or not flags & QR or questions != 1 or data[12:end].lower() != question.lower():
            raise Broken("not the response to the query")
        if sum(counts) > MAXIMUM_RECORDS:
            raise Broken("too many records")
        return _without_opt(data, end, _parts(data, end, counts))
    except (struct.error, IndexError):
        raise Broken("ends in the middle") from None


def _parts(data: bytes, offset: int, counts: list[int]) -> list[Part]:
    parts = []
    for section, count in enumerate(counts):
        for _ in range(count):
            start, offset = offset, _skip_name(data, offset)
            kind, _, _, length = struct.unpack_from(">HHIH", data, offset)
            offset += 10
            parts.append(Part(section, kind, start, offset, offset + length))
            offset += length
            if offset > len(data):
                raise Broken("ends in the middle")
    return parts


def _skip_name(data: bytes, offset: int) -> int:
    while True:
        length = data[offset]
        if length == 0:
            return offset + 1
        if length >= 0xC0:
            return offset + 2
        if length > 63:
            raise Broken("a label of an unknown kind")
        offset += length + 1


def _without_opt(data: bytes, end: int, parts: list[Part]) -> Message:
    """OPT is between us and upstream. In the midst of others it stays for its removal would move what is pointed to."""
    tail = parts[-1].end if parts else end
    if parts and parts[-1].type == OPT:
        tail = parts.pop().start
        fewer = struct.unpack_from(">H", data, 10)[0] - 1
        data = data[:10] + struct.pack(">H", fewer) + data[12:]
    if any(part.type == OPT for part in parts):
        raise Broken("an OPT record that is not the last")
    return Message(data[:tail], end, tuple(parts))


def lifetime(message: Message) -> int:
    """Seconds the message may be kept: its shortest record's; a negative one by its SOA; 0 for not at all."""
    if message.rcode not in (NOERROR, NXDOMAIN) or message.truncated:
        return 0
    answers = [part for part in message.parts if part.section == 0]
    if message.is_denial:
        soas = [_negative_lifetime(message.data, part) for part in message.parts if part.type == SOA]
        return min([*soas, *(ttl_of(message.data, part) for part in answers)]) if soas else 0
    return min(ttl_of(message.data, part) for part in message.parts)


def reply(message: Message, query: Query, limit: int, age: int = 0) -> bytes:
    """The message as the answer to `query`, lifetimes shorter by `age` seconds, cut to `limit` bytes with TC set."""
    opt = query.opt
    kept, body = message.parts, message.aged(age)
    cut = False
    if query.end + len(body) + len(opt) > limit:
        kept = tuple(part for part in kept if part.end <= limit - len(opt))
        cut = any(part.section < 2 for part in message.parts[len(kept) :])
        body = body[: kept[-1].end - message.end] if kept else b""
    counts = [0, 0, int(bool(opt))]
    for part in kept:
        counts[part.section] += 1
    rd = RD if query.data[2] & 1 else 0
    flags = QR | RA | rd | (query.wish & CD) | message.rcode | (TC if cut or message.truncated else 0)
    return query.data[:2] + struct.pack(">HHHHH", flags, 1, *counts) + query.question + body + opt


def ttl_of(data: bytes, part: Part) -> int:
    """Seconds; what would be negative is none (RFC 2181 section 8)."""
    ttl = int(struct.unpack_from(">I", data, part.data - 6)[0])
    return 0 if ttl & 0x80000000 else ttl


def _negative_lifetime(data: bytes, part: Part) -> int:
    minimum = int(struct.unpack_from(">I", data, part.end - 4)[0])
    return min(ttl_of(data, part), minimum)
