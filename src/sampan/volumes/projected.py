"""projected: several sources in one folder; a later source wins where two give the same path."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from sampan.volumes import atomic, config_map, downward_api, secret
from sampan.volumes.errors import UnsupportedVolume
from sampan.volumes.interface import PodVolumes
from sampan.volumes.payload import DEFAULT_MODE

TOKEN_SECONDS = 3600


class Projected:
    source: ClassVar[str] = "projected"
    changes: ClassVar[bool] = True

    async def set_up(self, volume: Any, pod: PodVolumes) -> Path:
        found: dict[str, atomic.Projected] = {}
        for source in volume.projected.sources or ():
            found |= await files(source, pod, volume.projected.defaultMode)
        path = pod.path("kubernetes.io~projected", volume.name)
        path.mkdir(parents=True, exist_ok=True)
        pod.mounter.tmpfs(path, None)
        atomic.write(path, found, pod.group)
        return path

    async def refresh(self, volume: Any, pod: PodVolumes) -> None:
        await self.set_up(volume, pod)


async def files(source: Any, pod: PodVolumes, mode: int | None) -> dict[str, atomic.Projected]:
    if source.configMap is not None:
        return await config_map.files(source.configMap, pod, mode)
    if source.secret is not None:
        return await secret.files(source.secret, source.secret.name or "", pod, mode)
    if source.downwardAPI is not None:
        return downward_api.files(source.downwardAPI, pod, mode)
    if source.serviceAccountToken is not None:
        return await token(source.serviceAccountToken, pod, mode)
    raise UnsupportedVolume(
        "a projected volume may have configMap, secret, downwardAPI and serviceAccountToken sources"
    )


async def token(asked: Any, pod: PodVolumes, mode: int | None) -> dict[str, atomic.Projected]:
    """A token only its user may read: the one user all containers run as, or else root."""
    text = await pod.objects.token(pod.pod, asked.audience or "", asked.expirationSeconds or TOKEN_SECONDS)
    owner = common_user(pod.pod)
    bits = 0o600 if owner is not None or pod.group is not None else DEFAULT_MODE if mode is None else mode
    return {asked.path: atomic.Projected(text.encode(), bits, owner)}


def common_user(pod: Any) -> int | None:
    """The uid that every container runs as by the spec, None when they differ or it is the image's choice."""
    default = pod.spec.securityContext.runAsUser if pod.spec.securityContext else None
    users = set()
    for container in [*(pod.spec.initContainers or ()), *(pod.spec.containers or ())]:
        own = container.securityContext.runAsUser if container.securityContext else None
        users.add(default if own is None else own)
    return users.pop() if len(users) == 1 else None
