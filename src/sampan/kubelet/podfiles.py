"""Opening files that a pod can write to, or swap for something else: a link out, a pipe that never ends, a device.

Only a regular file is opened, no link is followed at its end, and opening waits for nobody.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from sampan.aio.mounts import open_beneath

FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


def open_regular(path: Path) -> BinaryIO:
    """For reading; raises OSError, also when it is no regular file."""
    return checked(os.open(path, FLAGS | os.O_NOFOLLOW), str(path))


def open_inside(folder: Path, path: str) -> BinaryIO:
    """The regular file `path` inside `folder`, whose links may not lead out of it; raises OSError."""
    root = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return checked(open_beneath(root, path, FLAGS), path)
    finally:
        os.close(root)


def checked(descriptor: int, path: str) -> BinaryIO:
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise OSError(errno.EINVAL, "not a regular file", path)
