"""image: the files of an OCI image or artifact, read-only (KEP-4639)."""

from __future__ import annotations

from typing import Any, ClassVar

from sampan.volumes.errors import UnsupportedVolume
from sampan.volumes.interface import Made, PodVolumes

PLUGIN = "kubernetes.io~image"


class Image:
    source: ClassVar[str] = "image"
    changes: ClassVar[bool] = False

    async def set_up(self, volume: Any, pod: PodVolumes) -> Made:
        if pod.images is None:
            raise UnsupportedVolume("this node's container runtime offers no way to mount an image")
        path = pod.path(PLUGIN, volume.name)
        if not pod.mounter.mounted(path):
            path.mkdir(parents=True, exist_ok=True, mode=0o750)
            await pod.images.mount(volume, pod, path)
        return Made(path, read_only=True)

    async def refresh(self, volume: Any, pod: PodVolumes) -> None:
        return None
