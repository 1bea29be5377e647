"""local: a folder of one node as a persistent volume."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from sampan.volumes.errors import UnsupportedVolume, VolumeError
from sampan.volumes.interface import Made, PodVolumes


class Local:
    source: ClassVar[str] = "local"
    changes: ClassVar[bool] = False

    async def set_up(self, volume: Any, pod: PodVolumes) -> Made:
        """Binds it under the pod's folder; its group is changed when the pod comes, not at each restart of ours."""
        origin = Path(volume.local.path)
        path = pod.path("kubernetes.io~local-volume", volume.name)
        if not pod.mounter.mounted(path):
            await pod.mounter.aside(lambda: check(origin))
            path.mkdir(parents=True, exist_ok=True, mode=0o750)
            if not volume.read_only:
                await pod.give_to_group(origin)
            pod.mounter.bind(origin, path)
        return Made(path, volume.read_only)

    async def refresh(self, volume: Any, pod: PodVolumes) -> None:
        return None


def check(path: Path) -> None:
    if path.is_block_device():
        raise UnsupportedVolume(f"{path} is a device: make a file system on it, mount it, and name the mount's path")
    if not path.is_dir():
        raise VolumeError(f'path "{path}" does not exist')
