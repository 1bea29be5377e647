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

import ctypes
import gc

KEPT_BYTES = 16 * 1024 * 1024
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
COLLECT_AFTER = (2000, 5, 5)
"""Containers made and not freed until the young are looked at; and how many such looks until one at the older."""


def keep_freed(kept: int = KEPT_BYTES) -> bool:
    """Set glibc's thresholds for this process (mallopt(3)); False where the C library has no such thing."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return all(mallopt(option, kept) for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD))


def settle() -> None:
    """What is there now stays until the process ends: the collector looks at what comes after it only, and seldom."""
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
