"""Reading a container's log as `kubectl logs` asks for it: its end, since a time, with times, so many bytes, following.

Following reads on where the file grows; when the file was rotated away, the rest of the old one comes before the new
one; it ends with the container, once all is read.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sampan.aio.clock import Clock, parse_timestamp
from sampan.kubelet.logformat import Entry, offset_of_last, parse
from sampan.kubelet.podfiles import open_regular

CHUNK = 64 << 10
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """PodLogOptions; `since` in seconds since the epoch, `tail` in lines, `limit` in bytes; None for no bound."""

    follow: bool = False
    tail: int | None = None
    since: float | None = None
    timestamps: bool = False
    limit: int | None = None
    stream: str = "All"


async def read(path: Path, options: LogOptions, *, clock: Clock, ended: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Yields the log in pieces; `ended` says whether the container has, and is asked while following.

    Raises OSError when there is no log.
    """
    left = options.limit
    async for piece in _pieces(path, options, clock, ended):
        if left is not None and len(piece) >= left:
            yield piece[:left]
            return
        if left is not None:
            left -= len(piece)
        yield piece


async def _pieces(path: Path, options: LogOptions, clock: Clock, ended: Callable[[], bool]) -> AsyncIterator[bytes]:
    file = open_regular(path)
    shown = Shown(options)
    try:
        file.seek(offset_of_last(file, options.tail) if options.tail is not None else 0)
        rest = b""
        while True:
            # Asked before reading: what was written before the end is then read after it.
            over = not options.follow or ended()
            data = file.read(CHUNK)
            if data:
                lines, rest = whole_lines(rest + data)
                text = shown.of(lines)
                if text:
                    yield text
                if len(data) == CHUNK:
                    # Others have their turn, however long the log is and little of it asked for.
                    await clock.sleep(0)
                    continue
            fresh = reopened(file, path) if options.follow else None
            if fresh is not None:
                file.close()
                file = fresh
            elif over:
                return
            elif not data:
                await clock.sleep(POLL_SECONDS)
    finally:
        file.close()


def whole_lines(data: bytes) -> tuple[list[bytes], bytes]:
    """The finished lines, and the start of one that is still being written."""
    # Not splitlines: a carriage return is part of the content.
    *lines, rest = data.split(b"\n")
    return [line + b"\n" for line in lines], rest


def reopened(file: BinaryIO, path: Path) -> BinaryIO | None:
    """The file that now has the name, when the one being read was rotated away and is read to its end."""
    try:
        now, mine = path.lstat(), os.fstat(file.fileno())
    except OSError:
        return None
    if (now.st_ino, now.st_dev) == (mine.st_ino, mine.st_dev) or file.tell() < mine.st_size:
        return None
    return open_regular(path)


class Shown:
    """What of a log's lines is asked for, and in which form."""

    def __init__(self, options: LogOptions) -> None:
        self._since = options.since
        self._stream = None if options.stream == "All" else options.stream.lower().encode()
        self._timestamps = options.timestamps

    def of(self, lines: list[bytes]) -> bytes:
        return b"".join(self._form(entry) for entry in map(parse, lines) if entry is not None and self._wants(entry))

    def _wants(self, entry: Entry) -> bool:
        if self._since is not None:
            if parse_timestamp(entry.time.decode()) < self._since:
                return False
            # Times only grow: what follows is wanted, too.
            self._since = None
        return self._stream is None or entry.stream == self._stream

    def _form(self, entry: Entry) -> bytes:
        return entry.time + b" " + entry.content if self._timestamps else entry.content
