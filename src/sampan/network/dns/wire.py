"""DNS messages as bytes: the few encodings that answers are made of, and a strict reader of queries.

A query is read by hand because it is hostile until proven otherwise and because there are tens of thousands of them a
second. A name is kept in wire form, lower case, its closing zero included: `\\x03web\\x07default...\\x00`.
Offsets: the header has 12 bytes and the only question follows, so the question's name is at 12 in the answer too, and
`\\xc0\\x0c` points to it (RFC 1035 section 4.1.4).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

A, NS, CNAME, SOA, PTR, HINFO, MX, TXT, AAAA, SRV, RRSIG = 1, 2, 5, 6, 12, 13, 15, 16, 28, 33, 46
OPT, IXFR, AXFR, ANY = 41, 251, 252, 255
IN = 1
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16
QR, AA, TC, RD, RA, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0010
DO = 0x8000
"""Among an OPT record's flags: signatures are wanted (RFC 3225)."""

OWNER = b"\xc0\x0c"
"""A record's owner when it is the name that was asked for."""
UDP_SIZE = 1232
"""What we take in one datagram, and the most we send in one (DNS flag day 2020)."""
NO_OPT = b""
OPT_RECORD, OPT_WITH_DO = (b"\x00" + struct.pack(">HHIH", OPT, UDP_SIZE, flags, 0) for flags in (0, DO))


class Malformed(Exception):
    """The query cannot be answered; `rcode` says why, None when not even that should be told."""

    def __init__(self, rcode: int | None) -> None:
        super().__init__(rcode)
        self.rcode = rcode


class Query(NamedTuple):
    """`end` is the offset behind the question; `size`: what the client takes in a datagram; `opt`: the record that
    answers its own, `NO_OPT` when it sent none."""

    data: bytes
    name: bytes
    type: int
    end: int
    opt: bytes
    size: int

    @property
    def question(self) -> bytes:
        return self.data[12 : self.end]

    @property
    def wish(self) -> int:
        """What else than the question makes others' answers differ: the bits DO and CD (RFC 4035 section 3.2)."""
        return (self.data[3] & CD) | (DO if self.opt == OPT_WITH_DO else 0)


def parse_query(data: bytes) -> Query:
    """Reads a query; raises Malformed."""
    if len(data) < 12:
        raise Malformed(None)
    flags, questions, answers, authority, additional = struct.unpack_from(">HHHHH", data, 2)
    if flags & QR:
        raise Malformed(None)
    if flags & 0x7800:
        raise Malformed(NOTIMP)
    if questions != 1 or answers or authority or additional > 1:
        raise Malformed(FORMERR)
    behind = _name_end(data)
    if behind + 4 > len(data):
        raise Malformed(FORMERR)
    kind, klass = struct.unpack_from(">HH", data, behind)
    size, opt = _edns(data, behind + 4) if additional else (0, NO_OPT)
    if klass != IN or kind in (AXFR, IXFR, OPT):
        raise Malformed(REFUSED)
    return Query(data, data[12:behind].lower(), kind, behind + 4, opt, max(size, 512))


def _name_end(data: bytes) -> int:
    """Offset behind the question's name, which must be uncompressed and at most 255 bytes."""
    offset = 12
    while offset < len(data):
        length = data[offset]
        offset += length + 1
        if length == 0:
            return offset
        if length > 63 or offset > 12 + 254:
            break
    raise Malformed(FORMERR)


def _edns(data: bytes, offset: int) -> tuple[int, bytes]:
    """The datagram size in the OPT record, the only one that may follow the question, and the record for the answer,
    which has the same DO bit (RFC 6891 section 6.1, RFC 3225 section 3)."""
    if len(data) < offset + 11 or data[offset : offset + 3] != b"\x00\x00\x29":
        raise Malformed(FORMERR)
    if data[offset + 6]:
        raise Malformed(BADVERS)
    size = int(struct.unpack_from(">H", data, offset + 3)[0])
    return min(size, 4096), OPT_WITH_DO if data[offset + 7] & 0x80 else OPT_RECORD


def failure(data: bytes, rcode: int) -> bytes:
    """An answer without records to a query that may be broken: the question is left out of it."""
    flags = QR | RA | (struct.unpack_from(">H", data, 2)[0] & (RD | 0x7800)) | (rcode & 15)
    if rcode < 16:
        return data[:2] + struct.pack(">HHHHH", flags, 0, 0, 0, 0)
    extended = b"\x00" + struct.pack(">HHBBHH", OPT, UDP_SIZE, rcode >> 4, 0, 0, 0)
    return data[:2] + struct.pack(">HHHHH", flags, 0, 0, 0, 1) + extended


def encode_name(text: str) -> bytes:
    """`web.default.svc.cluster.local` (or with a dot at its end) in wire form; raises ValueError when it is no name."""
    labels = [label.encode("ascii").lower() for label in text.rstrip(".").split(".")] if text.rstrip(".") else []
    if any(not 0 < len(label) < 64 for label in labels):
        raise ValueError(f"{text!r} is not a DNS name: each part has 1 to 63 characters")
    wire = b"".join(bytes((len(label),)) + label for label in labels) + b"\x00"
    if len(wire) > 255:
        raise ValueError(f"{text!r} is not a DNS name: longer than 255 bytes")
    return wire


def pack_address(text: str) -> bytes:
    """The 4 or 16 bytes of an address; raises ValueError."""
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except OSError:
        raise ValueError(f"{text!r} is not an address") from None


def pointer_name(address: bytes) -> bytes:
    """`4.3.2.1.in-addr.arpa` for 1.2.3.4, its nibbles under `ip6.arpa` for IPv6 (RFC 1035 section 3.5, RFC 3596)."""
    if len(address) == 4:
        return b"".join([_OCTETS[octet] for octet in reversed(address)]) + b"\x07in-addr\x04arpa\x00"
    return b"".join([b"\x01%c" % digit for digit in reversed(address.hex().encode())]) + b"\x03ip6\x04arpa\x00"


_OCTETS = [encode_name(str(octet))[:-1] for octet in range(256)]


def labels(wire: bytes) -> list[bytes]:
    """The labels of a name in wire form, outermost last."""
    found, offset = [], 0
    while wire[offset]:
        found.append(wire[offset + 1 : offset + 1 + wire[offset]])
        offset += 1 + wire[offset]
    return found


def ancestors(wire: bytes) -> Iterator[bytes]:
    """The name's suffixes, itself first, the root left out."""
    while wire[0]:
        yield wire
        wire = wire[1 + wire[0] :]


def record(owner: bytes, kind: int, ttl: int, data: bytes) -> bytes:
    return owner + struct.pack(">HHIH", kind, IN, ttl, len(data)) + data


def srv_data(priority: int, weight: int, port: int, target: bytes) -> bytes:
    return struct.pack(">HHH", priority, weight, port) + target


def soa_data(server: bytes, mailbox: bytes, serial: int, negative_ttl: int) -> bytes:
    """Refresh, retry and expiry matter to secondary servers only, which a cluster's zone has none of."""
    return server + mailbox + struct.pack(">IIIII", serial, 7200, 1800, 86400, negative_ttl)


def text_data(text: str) -> bytes:
    return bytes((len(text),)) + text.encode("ascii")
