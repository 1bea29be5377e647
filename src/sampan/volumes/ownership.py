"""fsGroup: making a volume readable and writable for a group the pod's processes are in.

Files become the group's and get rw for it, folders also the set-group-id bit, so that new files are the group's too.
With the policy OnRootMismatch nothing is touched when the root of the volume is right already (KEP-695); the root is
changed last, so that it is right only when all is.

Another pod may have the same volume and change it meanwhile: each file is opened first, without following links,
entering mounts or waking devices (O_PATH), and what was opened is changed.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

from sampan.aio.mounts import RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV, open_beneath
from sampan.volumes.errors import VolumeError

FILE_BITS = 0o660
FOLDER_BITS = 0o770 | stat.S_ISGID
CLOSED = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS
PASSED_OVER = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV)
"""What was there a moment ago is gone, or is not part of this volume."""


def give_to_group(
    root: Path, group: int, policy: str | None = None, unwanted: Callable[[], bool] = lambda: False
) -> None:
    """Returns early once `unwanted()`. Raises OSError, and VolumeError for folders too deep to name."""
    if policy == "OnRootMismatch" and is_right(root, group):
        return
    top = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        waiting = ["."]
        while waiting and not unwanted():
            waiting += _give_inside(top, waiting.pop(), group)
        if not unwanted():
            _give(top, ".", group)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise VolumeError("folders of the volume are nested too deeply to change their group") from None
        raise
    finally:
        os.close(top)


def _give_inside(top: int, path: str, group: int) -> list[str]:
    """Changes what lies in one folder; returns the folders in it."""
    try:
        folder = open_beneath(top, path, os.O_RDONLY | os.O_DIRECTORY, CLOSED)
    except OSError as error:
        if error.errno in PASSED_OVER:
            return []
        raise
    try:
        return [f"{path}/{name}" for name in os.listdir(folder) if _give(folder, name, group)]  # noqa: PTH208
    finally:
        os.close(folder)


def _give(folder: int, name: str, group: int) -> bool:
    """Changes one file; returns whether it is a folder."""
    try:
        opened = open_beneath(folder, name, os.O_PATH | os.O_NOFOLLOW, RESOLVE_NO_XDEV)
    except OSError as error:
        if error.errno in PASSED_OVER:
            return False
        raise
    try:
        mode = os.fstat(opened).st_mode
        if stat.S_ISLNK(mode):
            os.chown(name, -1, group, dir_fd=folder, follow_symlinks=False)
            return False
        # The kernel's own name of what is open: no path is walked again.
        held = f"/proc/self/fd/{opened}"
        os.chown(held, -1, group)
        is_folder = stat.S_ISDIR(mode)
        os.chmod(held, stat.S_IMODE(mode) | (FOLDER_BITS if is_folder else FILE_BITS))  # noqa: PTH101
        return is_folder
    finally:
        os.close(opened)


def is_right(path: Path, group: int) -> bool:
    status = path.stat()
    return status.st_gid == group and status.st_mode & FOLDER_BITS == FOLDER_BITS
