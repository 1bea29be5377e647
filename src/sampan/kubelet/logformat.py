"""The CRI log format: reading entries, and the end of a file.

Each line is `<RFC 3339 time with nanoseconds> <stdout|stderr> <tags> <content>`, where the first tag is F for a full
line or P for a part of one that was too long (KEP-cri-logging, design/kubelet-cri-logging.md).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sampan.kubelet.podfiles import open_regular

BLOCK = 64 << 10


@dataclass(frozen=True, slots=True)
class Entry:
    """`content` ends with a newline unless it is a part; `time` is the text as written."""

    time: bytes
    stream: bytes
    content: bytes


def parse(line: bytes) -> Entry | None:
    """A line of the file, its newline included; None when it is not of the format."""
    fields = line.split(b" ", 3)
    if len(fields) < 4 or fields[1] not in (b"stdout", b"stderr"):
        return None
    time, stream, tags, content = fields
    if tags.split(b":", 1)[0] == b"P":
        content = content.removesuffix(b"\n")
    return Entry(time, stream, content)


def offset_of_last(file: BinaryIO, count: int) -> int:
    """Where the last `count` lines of a file begin, in bytes; reads from its end only as far as needed."""
    position = file.seek(0, os.SEEK_END)
    if count <= 0:
        return position
    newlines = 0
    ends_at = position - 1
    while position > 0:
        size = min(BLOCK, position)
        position -= size
        file.seek(position)
        block = file.read(size)
        found = len(block)
        while (found := block.rfind(b"\n", 0, found)) >= 0:
            # The newline that ends the last line begins no line.
            newlines += position + found != ends_at
            if newlines == count:
                return position + found + 1
    return 0


def last_lines(path: Path, count: int) -> list[bytes]:
    """The content of the last `count` entries, oldest first; raises OSError."""
    with open_regular(path) as file:
        file.seek(offset_of_last(file, count))
        entries = [parse(line) for line in file]
    return [entry.content for entry in entries if entry is not None]
