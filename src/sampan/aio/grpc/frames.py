"""HTTP/2's frames (RFC 9113 section 4 and 6): kinds, flags, limits, and bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 1, 2, 3, 4, 5

NO_ERROR, PROTOCOL_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL = 0, 1, 3, 6, 7, 8
COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 9, 11

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD = struct.Struct(">IBI")
"""A frame's first nine bytes: its length (three bytes) and kind, its flags, its stream."""
SETTING = struct.Struct(">HI")
NUMBER = struct.Struct(">I")
MOST_WINDOW = (1 << 31) - 1
FIRST_WINDOW = 65_535
LEAST_FRAME, MOST_FRAME = 1 << 14, (1 << 24) - 1


class Violation(Exception):
    """The server broke the protocol; `code` is what it is told."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return HEAD.pack(len(payload) << 8 | kind, flags, stream) + payload


def settings(values: dict[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(SETTING.pack(*each) for each in values.items()))


def window_update(stream: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, NUMBER.pack(increment))


def reset(stream: int, code: int) -> bytes:
    return frame(RST_STREAM, 0, stream, NUMBER.pack(code))


def goaway(code: int) -> bytes:
    """We are leaving; of the streams a server may open, none was."""
    return frame(GOAWAY, 0, 0, bytes(4) + NUMBER.pack(code))


def headers(stream: int, block: bytes, most: int) -> bytes:
    """A block of headers, in as many frames as it takes."""
    if len(block) <= most:
        return frame(HEADERS, END_HEADERS, stream, block)
    pieces = [block[at : at + most] for at in range(0, len(block), most)]
    first, *between, last = pieces
    return b"".join(
        (
            frame(HEADERS, 0, stream, first),
            *(frame(CONTINUATION, 0, stream, piece) for piece in between),
            frame(CONTINUATION, END_HEADERS, stream, last),
        )
    )


def content(flags: int, payload: bytes, *, priority: bool = False) -> bytes:
    """A frame's payload without padding and priority. Raises `Violation`."""
    begin, end = 0, len(payload)
    if flags & PADDED:
        if not payload:
            raise Violation(FRAME_SIZE_ERROR, "a padded frame without a length of padding")
        begin, end = 1, end - payload[0]
    if priority and flags & WITH_PRIORITY:
        begin += 5
    if begin > end:
        raise Violation(PROTOCOL_ERROR, "a frame with more padding than content")
    return payload[begin:end]


def number(payload: bytes) -> int:
    """The one number of a RST_STREAM or WINDOW_UPDATE frame, its reserved bit left out. Raises `Violation`."""
    if len(payload) != 4:
        raise Violation(FRAME_SIZE_ERROR, "a frame of one number with another size")
    return int(NUMBER.unpack(payload)[0])


def setting_pairs(payload: bytes) -> Iterator[tuple[int, int]]:
    if len(payload) % SETTING.size:
        raise Violation(FRAME_SIZE_ERROR, "settings of a strange size")
    return iter(SETTING.iter_unpack(payload))
