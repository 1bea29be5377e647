"""How full file systems and folders are. Walking a folder is slow: call it in a thread."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from sampan.kubelet.stats.usage import DiskSpace

BLOCK = 512
MOST_ENTRIES = 2_000_000
"""Beyond that a folder is too full to be counted on each look; what has been counted stands."""


def file_system(path: Path) -> DiskSpace | None:
    """The file system a path is on; None when it cannot be asked."""
    try:
        stat = os.statvfs(path)
    except OSError:
        return None
    capacity, free = stat.f_blocks * stat.f_frsize, stat.f_bfree * stat.f_frsize
    return DiskSpace(
        capacity=capacity,
        available=stat.f_bavail * stat.f_frsize,
        inodes=stat.f_files,
        inodes_free=stat.f_ffree,
        used=capacity - free,
        inodes_used=stat.f_files - stat.f_ffree,
    )


def device_of(path: Path) -> str:
    """The device with the file system a path is on; "" where that has none, or there is no such path."""
    try:
        number = path.stat().st_dev
    except OSError:
        return ""
    return device(f"{os.major(number)}:{os.minor(number)}")


@lru_cache(256)
def device(number: str, sys: Path = Path("/sys/dev/block")) -> str:
    """What the device with a number such as "8:0" is called; "" for one that is none."""
    try:
        return f"/dev/{(sys / number).readlink().name}"
    except OSError:
        return ""


def folder(path: Path) -> tuple[int, int]:
    """Bytes on disk and inodes of a folder and all below it on the same file system, each file counted once."""
    seen: set[int] = set()
    used = 0
    try:
        top = os.lstat(path)
    except OSError:
        return 0, 0
    waiting = [str(path)]
    seen.add(top.st_ino)
    used += top.st_blocks * BLOCK
    while waiting and len(seen) < MOST_ENTRIES:
        for entry in entries(waiting.pop()):
            try:
                stat = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if stat.st_dev != top.st_dev or stat.st_ino in seen:
                continue
            seen.add(stat.st_ino)
            used += stat.st_blocks * BLOCK
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
    return used, len(seen)


def entries(path: str) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing when it is gone meanwhile."""
    try:
        with os.scandir(path) as found:
            return list(found)
    except OSError:
        return []


def measured(path: Path) -> DiskSpace:
    """A folder's own use, with its file system around it."""
    used, inodes = folder(path)
    whole = file_system(path) or DiskSpace()
    return DiskSpace(
        capacity=whole.capacity,
        available=whole.available,
        inodes=whole.inodes,
        inodes_free=whole.inodes_free,
        used=used,
        inodes_used=inodes,
    )
