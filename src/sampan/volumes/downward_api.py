"""downwardAPI: fields of the pod itself as files."""

from __future__ import annotations

from typing import Any, ClassVar

from sampan.volumes import atomic
from sampan.volumes.errors import VolumeError
from sampan.volumes.fields import field_value, resource_value
from sampan.volumes.interface import Made, PodVolumes
from sampan.volumes.payload import DEFAULT_MODE


class DownwardAPI:
    source: ClassVar[str] = "downwardAPI"
    changes: ClassVar[bool] = True

    async def set_up(self, volume: Any, pod: PodVolumes) -> Made:
        path = pod.path("kubernetes.io~downward-api", volume.name)
        atomic.write(path, files(volume.downwardAPI, pod, volume.downwardAPI.defaultMode), pod.group)
        return Made(path, read_only=True)

    async def refresh(self, volume: Any, pod: PodVolumes) -> None:
        await self.set_up(volume, pod)


def files(asked: Any, pod: PodVolumes, mode: int | None) -> dict[str, atomic.Projected]:
    """The files that a downwardAPI source (of this volume or of a projected one) asks for."""
    default = DEFAULT_MODE if mode is None else mode
    return {
        item.path: atomic.Projected(content(item, pod).encode(), default if item.mode is None else item.mode)
        for item in asked.items or ()
    }


def content(item: Any, pod: PodVolumes) -> str:
    if item.fieldRef is not None:
        return field_value(pod.pod, item.fieldRef.fieldPath, host_ips=pod.host_ips, pod_ips=pod.pod_ips)
    reference = item.resourceFieldRef
    containers = [*(pod.pod.spec.containers or ()), *(pod.pod.spec.initContainers or ())]
    container = next((c for c in containers if c.name == reference.containerName), None)
    if container is None:
        raise VolumeError(f'container "{reference.containerName}" not found in the pod')
    return resource_value(container, reference, pod.allocatable)
