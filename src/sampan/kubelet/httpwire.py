"""The bytes of one HTTP/1.1 GET as a probe does it (RFC 9112): pure.

One request a connection, of which no more is read than a probe shows: the head within HEAD_BYTES, the body's first
BODY_BYTES. Whoever answers is a container and may send anything: what breaks the protocol is a ValueError.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

HEAD_BYTES = 64 << 10
BODY_BYTES = 10 << 10
LINE_BYTES = 256
"""A chunk's size and its extensions."""
HEAD_END = re.compile(rb"\r?\n\r?\n")
"""Bare line feeds are taken, too: more than one health check is a shell script."""
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: .*)?")
VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
BODILESS = (204, 304)


def request(target: str, host: str, headers: Sequence[tuple[str, str]]) -> bytes:
    """`headers` are sent as they are, a Host among them in place of `host`; raises ValueError for what none can be."""
    named = any(name.lower() == "host" for name, _ in headers)
    every = [*([] if named else [("Host", host)]), *headers, ("Connection", "close")]
    for name, value in every:
        if not VALUE.fullmatch(value):
            raise ValueError(f'net/http: invalid header field value for "{name}"')
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in every)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Reply:
    """What has come: `feed` it until it is `done`, and tell it of the `end` of the connection."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.done = False
        self._waiting = b""
        self._left: int | None = None
        """Bytes of the body, or of its chunk, that are to come; None for all until the end."""
        self._chunked = False

    def feed(self, data: bytes) -> None:
        searched = max(len(self._waiting) - 3, 0)
        self._waiting += data
        while not self.status and self._has_head(searched):
            searched = 0
        if self.status and not self.done:
            self._take_body()

    def end(self) -> None:
        """Nothing more comes."""
        if self.done:
            return
        if not self.status:
            raise ValueError("unexpected EOF" if self._waiting else "EOF")
        if self._chunked or self._left:
            raise ValueError("unexpected EOF")
        self.done = True

    def _has_head(self, searched: int) -> bool:
        """Takes a head off what waits; one of an interim answer (1xx) goes by."""
        end = HEAD_END.search(self._waiting, searched)
        if (end.start() if end else len(self._waiting)) > HEAD_BYTES:
            raise ValueError(f"net/http: server response headers exceeded {HEAD_BYTES} bytes; aborted")
        if end is None:
            return False
        first, *lines = self._waiting[: end.start()].splitlines()
        match = STATUS.fullmatch(first)
        if match is None:
            raise ValueError(f"malformed HTTP response {first[:80].decode('latin-1')!r}")
        self._waiting = self._waiting[end.end() :]
        if not match[1].startswith(b"1"):
            self._begin_body(int(match[1]), lines)
        return True

    def _begin_body(self, status: int, lines: list[bytes]) -> None:
        for line in lines:
            name, _, value = line.partition(b":")
            self.headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1").strip())
        self.status = status
        self._chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        length = self.headers.get("content-length")
        self._chunked = self._chunked and status not in BODILESS
        if status in BODILESS or self._chunked:
            self._left = 0
        elif length is not None:
            self._left = number(length, 10)
        self.done = self._left == 0 and not self._chunked

    def _take_body(self) -> None:
        while self._waiting and not self.done:
            if self._chunked and not self._left and not self._next_chunk():
                return
            if not self.done:
                self._take()

    def _take(self) -> None:
        most = BODY_BYTES - len(self.body)
        piece = self._waiting[: most if self._left is None else min(most, self._left)]
        self._waiting = self._waiting[len(piece) :]
        self.body += piece
        if self._left is not None:
            self._left -= len(piece)
        self.done = len(self.body) == BODY_BYTES or (self._left == 0 and not self._chunked)

    def _next_chunk(self) -> bool:
        """Takes a chunk's size; False when it is not all there yet. The end of the chunk before goes with it."""
        line, found, rest = self._waiting.removeprefix(b"\r\n").partition(b"\r\n")
        if len(line) > LINE_BYTES:
            raise ValueError("header line too long")
        if not found:
            return False
        self._left = number(line.partition(b";")[0].decode("latin-1").strip(), 16)
        self._waiting = rest
        self.done = not self._left
        return bool(rest) or self.done


def number(text: str, base: int) -> int:
    if not re.fullmatch("[0-9a-fA-F]{1,16}", text):
        raise ValueError(f"bad length {text[:20]!r}")
    return int(text, base)
