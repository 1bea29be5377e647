"""The kinds of volume this node knows, and the few steps over all volumes of a pod."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sampan.volumes.claim import Claim
from sampan.volumes.config_map import ConfigMap
from sampan.volumes.downward_api import DownwardAPI
from sampan.volumes.empty_dir import EmptyDir
from sampan.volumes.errors import UnprocessedVolume, UnsupportedVolume, VolumeError
from sampan.volumes.host_path import HostPath
from sampan.volumes.image import Image
from sampan.volumes.interface import Made, PodVolumes, VolumeKind
from sampan.volumes.mounter import Mounter
from sampan.volumes.nfs import Nfs
from sampan.volumes.projected import Projected
from sampan.volumes.secret import Secret

KINDS: tuple[VolumeKind, ...] = (
    EmptyDir(),
    HostPath(),
    ConfigMap(),
    Secret(),
    Projected(),
    DownwardAPI(),
    Claim(),
    Image(),
    Nfs(),
)


def kind_of(volume: Any) -> VolumeKind:
    """Raises UnsupportedVolume."""
    for kind in KINDS:
        if getattr(volume, kind.source) is not None:
            return kind
    asked = [name for name in volume.__struct_fields__ if name != "name" and getattr(volume, name) is not None]
    raise UnsupportedVolume(f"this node cannot make volumes of the kind {', '.join(asked) or 'none given'}")


async def set_up(
    pod: PodVolumes, noted: Callable[[Any, Made | None], None] = lambda volume, made: None
) -> dict[str, Made]:
    """Makes every volume of the pod; returns them by name. `noted` hears of each, with None of one that failed.

    Raises VolumeError, naming the volume.
    """
    made = {}
    for volume in pod.pod.spec.volumes or ():
        try:
            made[volume.name] = await kind_of(volume).set_up(volume, pod)
        except (VolumeError, OSError) as error:
            noted(volume, None)
            raise VolumeError(failure(volume.name, error)) from error
        noted(volume, made[volume.name])
    return made


async def refresh(pod: PodVolumes) -> None:
    """Brings every volume that shows changing things up to date; raises VolumeError, naming the volume."""
    for volume in pod.pod.spec.volumes or ():
        try:
            await kind_of(volume).refresh(volume, pod)
        except (VolumeError, OSError) as error:
            raise VolumeError(failure(volume.name, error)) from error


def failure(name: str, error: Exception) -> str:
    """The event's words, upstream's for either case."""
    if isinstance(error, UnprocessedVolume):
        listed = f"unmounted volumes=[{name}], unattached volumes=[], failed to process volumes=[{name}]"
        return f"Unable to attach or mount volumes: {listed}: {error}"
    return f'MountVolume.SetUp failed for volume "{name}" : {error}'


def has_changing(pod: Any) -> bool:
    """Whether any volume of the pod shows things that may change while it runs."""
    return any(kind_of(volume).changes for volume in pod.spec.volumes or ())


async def tear_down(directory: Path, mounter: Mounter) -> None:
    """Unmounts and deletes a pod's folder; never deletes through a mount that would not go. Raises VolumeError."""
    failures = await mounter.take_down(directory)
    if failures:
        raise VolumeError("; ".join(failures))
    await mounter.remove(directory)
