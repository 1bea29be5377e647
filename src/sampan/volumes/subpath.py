"""subPath: showing a container a file or folder inside a volume instead of the volume.

A container that can write to the volume could swap a folder for a link to the node's root between our look and the
runtime's mount. So the path is opened once, by a call that refuses to leave the volume (openat2 with RESOLVE_BENEATH),
and what was opened is bind-mounted to a place of ours that no container can change (CVE-2017-1002101, CVE-2021-25741).
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from sampan.aio.mounts import open_beneath
from sampan.volumes.errors import VolumeError
from sampan.volumes.mounter import Mounter


def bind(volume: Path, path: str, target: Path, mounter: Mounter) -> Path:
    """Binds `path` inside the folder `volume` to `target`, making folders that are missing; returns `target`.

    Raises VolumeError when the path leads out of the volume.
    """
    if os.path.ismount(target):
        return target
    root = os.open(volume, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        opened = open_or_make(root, path)
        try:
            make_target(target, is_folder=Path(f"/proc/self/fd/{opened}").is_dir())
            mounter.bind(Path(f"/proc/self/fd/{opened}"), target)
        finally:
            os.close(opened)
    except OSError as error:
        if error.errno in (errno.EXDEV, errno.ELOOP):
            raise VolumeError(f'subPath "{path}" leads out of its volume') from None
        raise VolumeError(f'failed to prepare subPath "{path}": {error.strerror}') from None
    finally:
        os.close(root)
    return target


def open_or_make(root: int, path: str) -> int:
    """A descriptor of `path` under `root`; missing folders are made on the way, each under the one just opened."""
    try:
        return open_beneath(root, path, os.O_PATH)
    except FileNotFoundError:
        pass
    reached = ""
    for part in Path(path).parts:
        parent = open_beneath(root, reached or ".", os.O_PATH | os.O_DIRECTORY)
        try:
            mode = Path(f"/proc/self/fd/{parent}").stat().st_mode & 0o777
            os.mkdir(part, mode, dir_fd=parent)
        except FileExistsError:
            pass
        finally:
            os.close(parent)
        reached = f"{reached}/{part}".lstrip("/")
    return open_beneath(root, path, os.O_PATH)


def make_target(target: Path, *, is_folder: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if is_folder:
        target.mkdir(exist_ok=True)
    else:
        target.touch()
