"""configMap: the keys of a ConfigMap as files."""

from __future__ import annotations

from typing import Any, ClassVar

from sampan.volumes import atomic
from sampan.volumes.errors import VolumeError
from sampan.volumes.interface import Made, PodVolumes
from sampan.volumes.payload import config_map_data, project


class ConfigMap:
    source: ClassVar[str] = "configMap"
    changes: ClassVar[bool] = True

    async def set_up(self, volume: Any, pod: PodVolumes) -> Made:
        path = pod.path("kubernetes.io~configmap", volume.name)
        atomic.write(path, await files(volume.configMap, pod, volume.configMap.defaultMode), pod.group)
        return Made(path, read_only=True)

    async def refresh(self, volume: Any, pod: PodVolumes) -> None:
        await self.set_up(volume, pod)


async def files(asked: Any, pod: PodVolumes, mode: int | None) -> dict[str, atomic.Projected]:
    """The files that a ConfigMap source (of this volume or of a projected one) asks for."""
    found = await pod.objects.config_map(pod.namespace, asked.name or "")
    if found is None:
        if asked.optional:
            return {}
        raise VolumeError(f'configmap "{asked.name}" not found')
    return project(config_map_data(found), asked.items, mode, optional=bool(asked.optional), what="config")
