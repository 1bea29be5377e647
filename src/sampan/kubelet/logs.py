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
    start = offset_of_last(path, options.tail) if options.tail is not None else 0
    file: BinaryIO = path.open("rb")
    try:
        file.seek(start)
        rest = b""
        while True:
            # Asked before reading: what was written before the end is then read after it.
            over = not options.follow or ended()
            data = file.read(CHUNK)
            if data:
                lines, rest = whole_lines(rest + data)
                text = render(lines, options)
                if text:
                    yield text
                if len(data) == CHUNK:
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
        now, mine = path.stat(), os.fstat(file.fileno())
    except OSError:
        return None
    if (now.st_ino, now.st_dev) == (mine.st_ino, mine.st_dev) or file.tell() < mine.st_size:
        return None
    return path.open("rb")


def render(lines: list[bytes], options: LogOptions) -> bytes:
    """The content of those lines that are asked for."""
    return b"".join(
        shown(entry, options) for entry in map(parse, lines) if entry is not None and wanted(entry, options)
    )


def wanted(entry: Entry, options: LogOptions) -> bool:
    if options.stream != "All" and entry.stream != options.stream.lower().encode():
        return False
    return options.since is None or parse_timestamp(entry.time.decode()) >= options.since


def shown(entry: Entry, options: LogOptions) -> bytes:
    return entry.time + b" " + entry.content if options.timestamps else entry.content
