"""What a serving process does with memory: what it frees it keeps for the next answer, and what it needs as long as it
lives the garbage collector leaves alone.

A list of 500 pods is a megabyte that is allocated, written and freed. With glibc's defaults (128 kB) each such block is
mapped and unmapped, and its pages are faulted in anew: measured, 2,460 µs of CPU a megabyte against 690 µs with blocks
of up to 16 MB kept. The price is at most that much memory held at the top of the heap.

With Python's defaults the collector runs after every third create, which costs 12 µs a create, and looks at times at
all that a process holds, while its clients wait. Nearly all objects here are freed by their counts; cycles come with
failures and ended tasks, and wait a little longer.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections.abc import Iterator
from pathlib import Path

KEPT_BYTES = 16 * 1024 * 1024
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
MADV_DONTNEED = 4
MAPS = Path("/proc/self/maps")
COLLECT_AFTER = (2000, 5, 5)
"""Containers made and not freed until the young are looked at; and how many such looks until one at the older."""


def keep_freed(kept: int = KEPT_BYTES) -> bool:
    """Set glibc's thresholds for this process (mallopt(3)); False where the C library has no such thing."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return all(mallopt(option, kept) for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD))


def give_back() -> None:
    """What a start has needed goes back to the system: memory that is free, and the programs' code, of which a start
    runs most and what follows little; the kernel has it at hand when it is run again.
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.malloc_trim(0)
        for begin, end in _code(MAPS.read_text()):
            libc.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), MADV_DONTNEED)


def _code(maps: str) -> Iterator[tuple[int, int]]:
    """Where the code of files is mapped (proc(5)); nobody may write there, so no page of it differs from its file."""
    for line in maps.splitlines():
        addresses, permissions, _, _, inode, *_ = line.split(None, 5)
        if permissions == "r-xp" and inode != "0":
            begin, _, end = addresses.partition("-")
            yield int(begin, 16), int(end, 16)


def settle() -> None:
    """What is there now stays until the process ends: the collector looks at what comes after it only, and seldom."""
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
