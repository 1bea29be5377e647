"""The kernel's mount table and the calls that change it: mount(2), umount2(2) and openat2(2) through libc.

Failures are OSError with the kernel's errno, as those of the `os` module are.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_SHARED = 1 << 20
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8
RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
OPENAT2 = 437  # the same number on every architecture
ESCAPED = re.compile(rb"\\([0-7]{3})")
MOUNTINFO = Path("/proc/self/mountinfo")

UMOUNT = ("umount", "--force", "--lazy", "--no-canonicalize", "--internal-only")
"""Asks nothing of the file system itself."""
LEFT: list[subprocess.Popen[bytes]] = []
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the mount table: where, what kind of file system, and whether it is in a peer group."""

    point: str
    filesystem: str
    shared: bool


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
    _checked(_libc.umount2(os.fsencode(target), MNT_DETACH | UMOUNT_NOFOLLOW), target)


def unmount_apart(
    target: str,
    *,
    program: Sequence[str] = UMOUNT,
    patience: float = 3.0,
    left: list[subprocess.Popen[bytes]] = LEFT,
) -> None:
    """Likewise, of a file server that may not answer: what is under way to it fails, and the wait is a child's.

    The kernel detaches it first and may then wait for the server for ever; no signal ends that, so a process of ours
    that waited there itself could never end. Children that still wait are in `left`, and looked at by the next call.
    """
    left[:] = [child for child in left if child.poll() is None]
    child = subprocess.Popen(
        [*program, target], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        _, said = child.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        left.append(child)
        return
    if child.returncode:
        raise OSError(errno.EBUSY, said.decode(errors="replace").strip(), target)


def entries(table: bytes) -> list[Entry]:
    """The mount table from the text of /proc/self/mountinfo, first mounted first (proc(5))."""
    found = []
    for line in table.splitlines():
        before, _, after = line.partition(b" - ")
        words = before.split(b" ")
        shared = any(word.startswith(b"shared:") for word in words[6:])
        found.append(Entry(unescaped(words[4]), after.split(b" ")[0].decode(), shared))
    return found


def unescaped(name: bytes) -> str:
    """A path as the kernel writes it, with blanks, line ends and backslashes as octal numbers."""
    return os.fsdecode(ESCAPED.sub(lambda match: bytes([int(match[1], 8)]), name))


def mounted_at(target: Path | str) -> Entry | None:
    """What is mounted exactly there, on top of all else; asks no file system, so one that hangs does no harm."""
    wanted = str(target)
    return next((entry for entry in reversed(entries(MOUNTINFO.read_bytes())) if entry.point == wanted), None)


def around(target: Path | str, table: bytes) -> Entry:
    """The mount that `target` lies in."""
    holders = [entry for entry in entries(table) if is_inside(str(target), entry.point)]
    return max(reversed(holders), key=lambda entry: len(entry.point))


def is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def points_below(directory: Path | str, table: bytes) -> list[str]:
    """Mount points at `directory` or deeper, latest first, from the text of /proc/self/mountinfo."""
    return [entry.point for entry in reversed(entries(table)) if is_inside(entry.point, str(directory))]


def unmount_below(directory: Path) -> list[str]:
    """Unmounts everything at and under `directory`; returns what could not be, with the reason."""
    failures = []
    for entry in reversed(entries(MOUNTINFO.read_bytes())):
        if not is_inside(entry.point, str(directory)):
            continue
        try:
            (unmount_apart if entry.filesystem.startswith("nfs") else unmount)(entry.point)
        except OSError as error:
            failures.append(f"{entry.point}: {error.strerror}")
    return failures


def open_beneath(directory: int, path: str | bytes, flags: int, resolve: int = RESOLVE_NO_MAGICLINKS) -> int:
    """Opens `path` under an open directory, refusing whatever leads out of it, however links change meanwhile.

    `resolve` adds to the refusals: RESOLVE_NO_XDEV other mounts, RESOLVE_NO_SYMLINKS any link.
    """
    how = (ctypes.c_uint64 * 3)(flags | os.O_CLOEXEC, 0, RESOLVE_BENEATH | resolve)
    name = os.fsencode(path)
    return _checked(
        _libc.syscall(ctypes.c_long(OPENAT2), ctypes.c_int(directory), name, ctypes.byref(how), ctypes.c_size_t(24)),
        os.fsdecode(name),
    )


def _checked(result: int, path: Path | str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(path))
    return result
