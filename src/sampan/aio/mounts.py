"""The kernel's mount table and the calls that change it: mount(2), umount2(2) and openat2(2) through libc.

Failures are OSError with the kernel's errno, as those of the `os` module are.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_BIND = 4096
MNT_DETACH = 2
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_BENEATH = 0x08
OPENAT2 = 437  # the same number on every architecture

_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: Path, filesystem: str = "", flags: int = 0, options: str = "") -> None:
    _checked(
        _libc.mount(
            source.encode(),
            os.fsencode(target),
            filesystem.encode() or None,
            ctypes.c_ulong(flags),
            options.encode() or None,
        ),
        target,
    )


def unmount(target: Path | str) -> None:
    """Detaches it at once, even when it is busy."""
    _checked(_libc.umount2(os.fsencode(target), MNT_DETACH), target)


def points_below(directory: Path, table: str) -> list[str]:
    """Mount points at `directory` or deeper, deepest first, from the text of /proc/self/mounts."""
    inside = str(directory).rstrip("/")
    points = [line.split()[1].encode().decode("unicode_escape") for line in table.splitlines()]
    return [point for point in reversed(points) if point == inside or point.startswith(inside + "/")]


def unmount_below(directory: Path) -> list[str]:
    """Unmounts everything at and under `directory`; returns what could not be, with the reason."""
    failures = []
    for point in points_below(directory, Path("/proc/self/mounts").read_text()):
        try:
            unmount(point)
        except OSError as error:
            failures.append(f"{point}: {error.strerror}")
    return failures


def open_beneath(directory: int, path: str, flags: int) -> int:
    """Opens `path` under an open directory, refusing whatever leads out of it, however links change meanwhile."""
    how = (ctypes.c_uint64 * 3)(flags | os.O_CLOEXEC, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)
    return _checked(
        _libc.syscall(
            ctypes.c_long(OPENAT2), ctypes.c_int(directory), path.encode(), ctypes.byref(how), ctypes.c_size_t(24)
        ),
        path,
    )


def _checked(result: int, path: Path | str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(path))
    return result
