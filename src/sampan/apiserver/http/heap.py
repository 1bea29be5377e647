"""Keeping freed memory for the next answer instead of giving it back to the kernel each time.

A list of 500 pods is a megabyte that is allocated, written and freed. With glibc's defaults (128 kB) each such block is
mapped and unmapped, and its pages are faulted in anew: measured, 2,460 µs of CPU a megabyte against 690 µs with blocks
of up to 16 MB kept. The price is at most that much memory held at the top of the heap.
"""

from __future__ import annotations

import ctypes

KEPT_BYTES = 16 * 1024 * 1024
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3


def keep_freed(kept: int = KEPT_BYTES) -> bool:
    """Set glibc's thresholds for this process (mallopt(3)); False where the C library has no such thing."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return all(mallopt(option, kept) for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD))
