"""subPath: showing a container a file or folder inside a volume instead of the volume.

A container that can write to the volume could swap a folder for a link to the node's root between our look and the
runtime's mount. So the path is opened once, by a call that refuses to leave the volume (openat2 with RESOLVE_BENEATH),
and what was opened is bind-mounted to a place of ours that no container can change (CVE-2017-1002101, CVE-2021-25741).
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path, PurePosixPath

from sampan.aio.mounts import open_beneath
from sampan.volumes.errors import VolumeError
from sampan.volumes.mounter import Mounter

RACES = 10
"""How often the kernel may say that a path changed while it was walked, before it is given up for this time."""


def bind(volume: Path, path: str, target: Path, mounter: Mounter) -> Path:
    """Binds `path` inside `volume` to `target`, making folders that are missing; returns `target`.

    What is bound there already stays when it is the same file. Raises VolumeError when the path leads out of the
    volume.
    """
    try:
        root = os.open(volume, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        raise VolumeError(f'failed to prepare subPath "{path}": {error.strerror}') from None
    try:
        opened = open_or_make(root, path)
        try:
            show(opened, target, mounter)
        finally:
            os.close(opened)
    except OSError as error:
        if error.errno in (errno.EXDEV, errno.ELOOP):
            raise VolumeError(f'subPath "{path}" leads out of its volume') from None
        raise VolumeError(f'failed to prepare subPath "{path}": {error.strerror}') from None
    finally:
        os.close(root)
    return target


def show(opened: int, target: Path, mounter: Mounter) -> None:
    """Binds what is open to `target`, in the place of what a former container was shown there if that is another."""
    if mounter.mounted(target):
        if os.path.samestat(target.stat(), os.fstat(opened)):
            return
        failures = mounter.unmount_below(target)
        if failures:
            raise VolumeError("; ".join(failures))
    make_target(target, is_folder=stat.S_ISDIR(os.fstat(opened).st_mode))
    mounter.bind(Path(f"/proc/self/fd/{opened}"), target)


def open_or_make(root: int, path: str) -> int:
    """A descriptor of `path` under `root`; missing folders are made on the way, each under the one just opened."""
    try:
        return reach(root, path, os.O_PATH)
    except FileNotFoundError:
        pass
    reached = ""
    for part in PurePosixPath(path).parts:
        parent = reach(root, reached or ".", os.O_PATH | os.O_DIRECTORY)
        try:
            os.mkdir(part, stat.S_IMODE(os.fstat(parent).st_mode) & 0o777, dir_fd=parent)
        except FileExistsError:
            pass
        finally:
            os.close(parent)
        reached = f"{reached}/{part}".lstrip("/")
    return reach(root, path, os.O_PATH)


def reach(root: int, path: str, flags: int) -> int:
    """Opens `path` under `root`. The kernel answers EAGAIN where a rename made it unsure: then again."""
    for _ in range(RACES):
        try:
            return open_beneath(root, path, flags)
        except BlockingIOError:
            continue
    return open_beneath(root, path, flags)


def make_target(target: Path, *, is_folder: bool) -> None:
    """An empty place of the right sort; one of the other sort is left from a former container."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir() and not is_folder:
        target.rmdir()
    elif is_folder and target.is_file():
        target.unlink()
    if is_folder:
        target.mkdir(exist_ok=True)
    else:
        target.touch()
