"""Hearing from the kernel that a file was written to: inotify(7) through libc, on the running event loop.

A watch is for the next write alone and costs nothing until then; whoever wants to know of more watches again.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import struct
from collections.abc import Callable
from pathlib import Path

IN_MODIFY = 0x2
IN_DONT_FOLLOW = 0x02000000
IN_ONESHOT = 0x80000000
EVENT = struct.Struct("iIII")
READ_BYTES = 64 << 10

_libc = ctypes.CDLL(None, use_errno=True)


class FileWrites:
    """To be made in the event loop that shall hear; `close` ends it."""

    def __init__(self) -> None:
        self._descriptor = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._told: dict[int, Callable[[], None]] = {}
        if self._descriptor >= 0:
            asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    def next(self, path: Path, told: Callable[[], None]) -> bool:
        """Calls `told` at the next write to the file; False when the kernel does not watch it (gone, or too many)."""
        mask = ctypes.c_uint32(IN_MODIFY | IN_ONESHOT | IN_DONT_FOLLOW)
        watch = _libc.inotify_add_watch(self._descriptor, os.fsencode(path), mask)
        if watch >= 0:
            self._told[watch] = told
        return bool(watch >= 0)

    def close(self) -> None:
        if self._descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._descriptor, READ_BYTES)
            position = 0
            while position < len(data):
                watch, _, _, length = EVENT.unpack_from(data, position)
                position += EVENT.size + length
                told = self._told.pop(watch, None)
                if told is not None:
                    told()
