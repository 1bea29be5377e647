"""The file systems of images and of containers' writable layers, as the runtime says where they are."""

from __future__ import annotations

from pathlib import Path

from sampan.cri.errors import RuntimeFailure
from sampan.cri.interface import Runtime
from sampan.kubelet.stats import disk
from sampan.kubelet.stats.usage import DiskSpace


class RuntimeFilesystems:
    """Where they are is asked once; how full they are each time."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._image: Path | None = None
        self._container: Path | None = None

    async def look(self) -> tuple[DiskSpace | None, DiskSpace | None]:
        """Of images, and of containers where theirs is another; None for what is not known."""
        if self._image is None:
            await self._find()
        image = disk.file_system(self._image) if self._image is not None else None
        return image, disk.file_system(self._container) if self._container is not None else None

    async def image_bytes(self) -> tuple[int, int]:
        """Bytes and inodes that images take; 0 while the runtime is away."""
        try:
            listed = await self._runtime.image_filesystem()
        except RuntimeFailure:
            return 0, 0
        return sum(f.used_bytes.value for f in listed), sum(f.inodes_used.value for f in listed)

    async def _find(self) -> None:
        try:
            images = [Path(f.fs_id.mountpoint) for f in await self._runtime.image_filesystem() if f.fs_id.mountpoint]
            layers = await self._runtime.container_filesystem()
        except RuntimeFailure:
            return
        self._image = next((path for path in images if path.exists()), None)
        others = [Path(f.fs_id.mountpoint) for f in layers if f.fs_id.mountpoint]
        self._container = next(
            (p for p in others if p.exists() and self._image and device(p) != device(self._image)), None
        )


def device(path: Path) -> int:
    return path.stat().st_dev
