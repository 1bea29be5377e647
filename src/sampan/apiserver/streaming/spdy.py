"""Frames of SPDY/3.1, as far as streams to a kubelet need them (the SPDY Protocol, draft 3.1, sections 2.2 to 2.6).

A frame is eight bytes and a payload. A data frame names its stream; a control frame has a version and a type, and only
those that open, end or ping matter here. Headers of ours are compressed in one zlib stream for the whole connection;
those of the other side are never looked at. There is no flow control: neither end of a stream to a container does any.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

HEAD = struct.Struct(">II")
WORD = struct.Struct(">I")
VERSION = 3
CONTROL = 1 << 31
SYN_STREAM, SYN_REPLY, RST_STREAM, PING = 1, 2, 3, 6
FIN = 0x01
MOST_PAYLOAD = (1 << 24) - 1
DATA_AT_ONCE = 1 << 16

_NAMES = """
options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow
authorization cache-control connection content-base content-encoding content-language content-length content-location
content-md5 content-range content-type date etag expect expires from host if-match if-modified-since if-none-match
if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate proxy-authorization range
referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning www-authenticate method get
status
"""
_MORE = ("200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin")
_REST = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = b"".join(WORD.pack(len(text)) + text.encode() for text in (*_NAMES.split(), *_MORE)) + _REST.encode()
"""What both ends' compression begins with (section 2.6.10.1)."""


class Frame(NamedTuple):
    """`type` is 0 for data; `stream` is 0 where a control frame has none (a ping's number is in `payload`)."""

    type: int
    stream: int
    fin: bool
    payload: bytes


class BadFrame(Exception):
    """What came is no frame of this version."""


class Writer:
    """Makes the frames of one connection, in the order in which they are sent."""

    def __init__(self) -> None:
        self._compressor = zlib.compressobj(zdict=DICTIONARY)

    def open(self, stream: int, headers: Mapping[str, str]) -> bytes:
        """A new stream; names of headers in lower case."""
        block = WORD.pack(len(headers)) + b"".join(
            WORD.pack(len(part)) + part for pair in headers.items() for part in map(str.encode, pair)
        )
        packed = self._compressor.compress(block) + self._compressor.flush(zlib.Z_SYNC_FLUSH)
        return control(SYN_STREAM, WORD.pack(stream) + bytes(6) + packed)


def control(sort: int, payload: bytes, flags: int = 0) -> bytes:
    return HEAD.pack(CONTROL | VERSION << 16 | sort, flags << 24 | len(payload)) + payload


def data(stream: int, payload: bytes, *, fin: bool = False) -> bytes:
    """A stream's bytes, in as many frames as they need."""
    pieces = [payload[at : at + DATA_AT_ONCE] for at in range(0, len(payload), DATA_AT_ONCE)] or [b""]
    flags = [0] * (len(pieces) - 1) + [FIN if fin else 0]
    return b"".join(_data(stream, piece, flag) for piece, flag in zip(pieces, flags, strict=True))


def _data(stream: int, piece: bytes, flags: int) -> bytes:
    return HEAD.pack(stream, flags << 24 | len(piece)) + piece


def pong(ping: Frame) -> bytes:
    """The answer to a ping: the same frame."""
    return control(PING, ping.payload)


class Reader:
    """Takes bytes, gives frames. `limit` bounds one frame's payload."""

    def __init__(self, limit: int = 1 << 20) -> None:
        self._received = bytearray()
        self._limit = limit

    def feed(self, received: bytes) -> Iterator[Frame]:
        """Raises BadFrame."""
        self._received += received
        while len(self._received) >= HEAD.size:
            first, second = HEAD.unpack_from(self._received)
            length = second & MOST_PAYLOAD
            if length > self._limit:
                raise BadFrame(f"a frame of {length} bytes")
            if len(self._received) < HEAD.size + length:
                return
            payload = bytes(self._received[HEAD.size : HEAD.size + length])
            del self._received[: HEAD.size + length]
            yield _frame(first, second >> 24, payload)


def _frame(first: int, flags: int, payload: bytes) -> Frame:
    fin = bool(flags & FIN)
    if not first & CONTROL:
        return Frame(0, first, fin, payload)
    if first >> 16 & 0x7FFF != VERSION:
        raise BadFrame(f"version {first >> 16 & 0x7FFF}")
    sort = first & 0xFFFF
    numbered = sort in (SYN_STREAM, SYN_REPLY, RST_STREAM) and len(payload) >= WORD.size
    return Frame(sort, WORD.unpack_from(payload)[0] & (CONTROL - 1) if numbered else 0, fin, payload)
