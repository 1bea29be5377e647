"""fsGroup: making a volume readable and writable for a group the pod's processes are in.

Files become the group's and get rw for it, folders also the set-group-id bit, so that new files are the group's too.
With the policy OnRootMismatch nothing is touched when the root of the volume is right already (KEP-695).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

FILE_BITS = 0o660
FOLDER_BITS = 0o770 | stat.S_ISGID


def give_to_group(root: Path, group: int | None, policy: str | None = None) -> None:
    if group is None or (policy == "OnRootMismatch" and is_right(root, group)):
        return
    for folder, _, names in os.walk(root):
        give(Path(folder), group, FOLDER_BITS)
        for name in names:
            give(Path(folder, name), group, FILE_BITS)


def give(path: Path, group: int, bits: int) -> None:
    if path.is_symlink():
        os.lchown(path, -1, group)
        return
    os.chown(path, -1, group)
    path.chmod(stat.S_IMODE(path.stat().st_mode) | bits)


def is_right(path: Path, group: int) -> bool:
    status = path.stat()
    return status.st_gid == group and status.st_mode & FOLDER_BITS == FOLDER_BITS
