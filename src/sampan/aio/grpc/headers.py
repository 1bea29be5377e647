"""The headers of calls, as HPACK blocks (RFC 7541).

A block is put together of literals that are not to be remembered (section 6.2.2), names out of the static table where
that has them. What the server sends cannot refer to anything remembered either, since its table may hold nothing; so a
block means the same each time, and the few that come again and again are decoded once.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from hpack import Decoder, HPACKError

from sampan.aio.grpc.errors import Code, RpcError
from sampan.aio.grpc.frames import COMPRESSION_ERROR, Violation

Metadata = tuple[tuple[str, str], ...]
POST, HTTP, HTTPS = b"\x83", b"\x86", b"\x87"
AUTHORITY, PATH, CONTENT_TYPE, USER_AGENT = 1, 4, 31, 58
"""Places in the static table (RFC 7541 appendix A)."""
MOST_BYTES = 64 << 10
REMEMBERED_BYTES = 512
GRPC = "application/grpc"
HTTP_CODES = {
    400: Code.INTERNAL,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.UNIMPLEMENTED,
    429: Code.UNAVAILABLE,
    502: Code.UNAVAILABLE,
    503: Code.UNAVAILABLE,
    504: Code.UNAVAILABLE,
}
"""What an answer that is not gRPC's means (https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md)."""


@lru_cache(64)
def request(path: str, authority: str, tls: bool, metadata: Metadata) -> bytes:
    """The block that begins a call."""
    own = (
        (_indexed(PATH), path),
        (_indexed(AUTHORITY), authority),
        (_named("te"), "trailers"),
        (_indexed(CONTENT_TYPE), GRPC),
        (_indexed(USER_AGENT), "sampan"),
        *((_named(name), value) for name, value in metadata),
    )
    return POST + (HTTPS if tls else HTTP) + b"".join(name + _text(value) for name, value in own)


def _indexed(place: int) -> bytes:
    return _integer(place, 4)


def _named(name: str) -> bytes:
    return b"\0" + _text(name)


def _text(text: str) -> bytes:
    raw = text.encode()
    return _integer(len(raw), 7) + raw


def _integer(value: int, bits: int) -> bytes:
    """RFC 7541 section 5.1; the bits before the prefix are 0."""
    most = (1 << bits) - 1
    if value < most:
        return bytes((value,))
    encoded, value = bytearray((most,)), value - most
    while value >= 128:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


class Head(NamedTuple):
    """What matters of a block of headers."""

    status: int
    """HTTP's; 0 in trailers."""
    code: int
    """gRPC's; -1 in headers that do not end a call."""
    message: str
    grpc: bool
    """Whether it is gRPC that answers."""

    @property
    def informational(self) -> bool:
        return 100 <= self.status < 200

    @property
    def begins(self) -> bool:
        """Whether messages may follow these headers."""
        return self.status == 200 and self.grpc

    def error(self) -> RpcError | None:
        """Why the call failed, if these are its last headers."""
        if self.status and not self.begins:
            return RpcError(HTTP_CODES.get(self.status, Code.UNKNOWN), f"the answer is HTTP {self.status}, not gRPC")
        if self.code < 0:
            return RpcError(Code.UNKNOWN, "the answer ended without a status")
        if self.code == Code.OK:
            return None
        known = Code(self.code) if self.code <= Code.UNAUTHENTICATED else Code.UNKNOWN
        return RpcError(known, self.message)


def response(block: bytes) -> Head:
    """Raises `Violation` for what is no block, or one that refers to headers that were never sent."""
    return _remembered(block) if len(block) <= REMEMBERED_BYTES else _decoded(block)


def _decoded(block: bytes) -> Head:
    decoder = Decoder(MOST_BYTES)
    decoder.header_table_size = decoder.max_allowed_table_size = 0
    try:
        fields = decoder.decode(block, raw=True)
    except HPACKError as error:
        raise Violation(COMPRESSION_ERROR, f"headers cannot be decoded: {error}") from error
    return _head({bytes(field[0]): bytes(field[1]).decode("utf-8", "replace") for field in fields})


_remembered = lru_cache(256)(_decoded)


def _head(fields: dict[bytes, str]) -> Head:
    return Head(
        status=_digits(fields.get(b":status"), 0),
        code=_digits(fields.get(b"grpc-status"), -1),
        message=unquote(fields.get(b"grpc-message", "")),
        grpc=fields.get(b"content-type", "").startswith(GRPC),
    )


def _digits(text: str | None, otherwise: int) -> int:
    """A number of at most three digits, as both statuses are; what is none counts as unknown."""
    if text is None:
        return otherwise
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 3 else int(Code.UNKNOWN)
