"""hostPath: a file or folder of the node itself."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from sampan.volumes.errors import VolumeError
from sampan.volumes.interface import Made, PodVolumes

# type -> (the check, what the message calls it)
CHECKS: dict[str, tuple[Callable[[int], bool], str]] = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket file"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}
CREATED = {"DirectoryOrCreate": "Directory", "FileOrCreate": "File"}


class HostPath:
    source: ClassVar[str] = "hostPath"
    changes: ClassVar[bool] = False

    async def set_up(self, volume: Any, pod: PodVolumes) -> Made:
        path, wanted = Path(volume.hostPath.path), volume.hostPath.type or ""
        if wanted:
            # It may lie on a file server that does not answer.
            await pod.mounter.aside(lambda: prepare(path, wanted))
        return Made(path)

    async def refresh(self, volume: Any, pod: PodVolumes) -> None:
        return None


def prepare(path: Path, wanted: str) -> None:
    if wanted in CREATED:
        create(path, wanted)
    check(path, CREATED.get(wanted, wanted))


def create(path: Path, wanted: str) -> None:
    """An empty file or folder with upstream's permissions, where there is nothing; a file's folder must exist."""
    if path.exists():
        return
    try:
        if wanted == "FileOrCreate":
            path.touch(0o644)
        else:
            path.mkdir(0o755, parents=True)
    except OSError as error:
        raise VolumeError(f"hostPath type check failed: {path} could not be made: {error.strerror}") from None


def check(path: Path, wanted: str) -> None:
    if wanted not in CHECKS:
        raise VolumeError(f'unknown hostPath type "{wanted}"')
    is_kind, name = CHECKS[wanted]
    try:
        found = is_kind(path.stat().st_mode)
    except OSError:
        found = False
    if not found:
        raise VolumeError(f"hostPath type check failed: {path} is not {name}")
