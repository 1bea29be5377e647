"""local: a folder or a block device of one node as a persistent volume."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from sampan.volumes import disk
from sampan.volumes.errors import VolumeError
from sampan.volumes.interface import Made, PodVolumes
from sampan.volumes.persistent import Persistent


class Local:
    source: ClassVar[str] = "local"
    changes: ClassVar[bool] = False

    async def set_up(self, volume: Persistent, pod: PodVolumes) -> Made:
        """Shows it under the pod's folder; its group is changed when the pod comes, not at each restart of ours."""
        origin = Path(volume.local.path)
        if volume.block:
            await pod.mounter.aside(lambda: check_device(origin))
            return Made(origin, volume.read_only, device=True)
        path = pod.path("kubernetes.io~local-volume", volume.name)
        if not pod.mounter.mounted(path):
            is_disk = await pod.mounter.aside(lambda: check(origin))
            path.mkdir(parents=True, exist_ok=True, mode=0o750)
            await (show_disk if is_disk else show_folder)(volume, origin, path, pod)
        return Made(path, volume.read_only)

    async def refresh(self, volume: Any, pod: PodVolumes) -> None:
        return None


async def show_folder(volume: Persistent, origin: Path, path: Path, pod: PodVolumes) -> None:
    if not volume.read_only:
        await pod.give_to_group(origin)
    pod.mounter.bind(origin, path)


async def show_disk(volume: Persistent, origin: Path, path: Path, pod: PodVolumes) -> None:
    """Containers see it read-only if they shall; the node mounts it as all of its pods share it."""
    await disk.mount(origin, path, volume.local.fsType or "", volume.options, pod.mounter)
    try:
        if not volume.read_only:
            await pod.give_to_group(path)
    except BaseException:
        # What is mounted counts as made, group and all.
        pod.mounter.unmount_below(path)
        raise


def check(path: Path) -> bool:
    """Whether it is a device, else it is a folder; raises VolumeError."""
    if path.is_block_device():
        return True
    if not path.is_dir():
        raise VolumeError(f'path "{path}" does not exist')
    return False


def check_device(path: Path) -> None:
    if not path.is_block_device():
        raise VolumeError(f'path "{path}" is not a block device')
