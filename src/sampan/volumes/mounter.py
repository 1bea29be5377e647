"""What volumes ask of the kernel. Tests that have no privileges give a mounter that only notes what it was asked."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from sampan.aio import mounts


class Mounter(Protocol):
    """Errors are OSError."""

    def tmpfs(self, target: Path, size: int | None) -> None:
        """Mounts memory at `target`, at most `size` bytes; does nothing when something is mounted there already."""
        ...

    def bind(self, source: Path, target: Path) -> None:
        """Shows `source`, a file or a folder, at `target`, which exists."""
        ...

    def unmount_below(self, directory: Path) -> list[str]:
        """Unmounts everything at and under the folder; returns what could not be."""
        ...


class KernelMounter:
    def tmpfs(self, target: Path, size: int | None) -> None:
        if target.is_mount():
            return
        options = "mode=0777" if size is None else f"mode=0777,size={size}"
        mounts.mount("tmpfs", target, "tmpfs", mounts.MS_NOSUID | mounts.MS_NODEV, options)

    def bind(self, source: Path, target: Path) -> None:
        mounts.mount(str(source), target, "", mounts.MS_BIND)

    def unmount_below(self, directory: Path) -> list[str]:
        return mounts.unmount_below(directory)
