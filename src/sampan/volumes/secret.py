"""secret: the keys of a Secret as files, in memory only."""

from __future__ import annotations

from typing import Any, ClassVar

from sampan.volumes import atomic
from sampan.volumes.errors import VolumeError
from sampan.volumes.interface import Made, PodVolumes
from sampan.volumes.payload import project, secret_data


class Secret:
    source: ClassVar[str] = "secret"
    changes: ClassVar[bool] = True

    async def set_up(self, volume: Any, pod: PodVolumes) -> Made:
        asked = volume.secret
        found = await files(asked, asked.secretName or "", pod, asked.defaultMode)
        path = pod.path("kubernetes.io~secret", volume.name)
        path.mkdir(parents=True, exist_ok=True)
        pod.mounter.tmpfs(path, None, swap=False)
        atomic.write(path, found, pod.group)
        return Made(path, read_only=True)

    async def refresh(self, volume: Any, pod: PodVolumes) -> None:
        await self.set_up(volume, pod)


async def files(asked: Any, name: str, pod: PodVolumes, mode: int | None) -> dict[str, atomic.Projected]:
    """The files that a Secret source (of this volume or of a projected one) asks for."""
    found = await pod.objects.secret(pod.namespace, name)
    if found is None:
        if asked.optional:
            return {}
        raise VolumeError(f'secret "{name}" not found')
    return project(secret_data(found), asked.items, mode, optional=bool(asked.optional), what="secret")
