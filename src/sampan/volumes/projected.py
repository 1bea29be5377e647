"""projected: several sources in one folder; a later source wins where two give the same path."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from sampan.volumes import atomic, config_map, downward_api, secret
from sampan.volumes.errors import UnsupportedVolume, VolumeError
from sampan.volumes.interface import Made, PodVolumes
from sampan.volumes.payload import DEFAULT_MODE

TOKEN_SECONDS = 3600
CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


class Projected:
    source: ClassVar[str] = "projected"
    changes: ClassVar[bool] = True

    async def set_up(self, volume: Any, pod: PodVolumes) -> Made:
        found: dict[str, atomic.Projected] = {}
        for source in volume.projected.sources or ():
            found |= await files(source, pod, volume.projected.defaultMode)
        path = pod.path("kubernetes.io~projected", volume.name)
        path.mkdir(parents=True, exist_ok=True)
        pod.mounter.tmpfs(path, None, swap=False)
        atomic.write(path, found, pod.group)
        return Made(path, read_only=True)

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
    if source.clusterTrustBundle is not None:
        return await trust_bundle(source.clusterTrustBundle, pod, mode)
    raise UnsupportedVolume("this node projects configMap, secret, downwardAPI, serviceAccountToken and trust bundles")


async def token(asked: Any, pod: PodVolumes, mode: int | None) -> dict[str, atomic.Projected]:
    """A token only its user may read: the one user all containers run as, or else root."""
    text = await pod.objects.token(pod.pod, asked.audience or "", asked.expirationSeconds or TOKEN_SECONDS)
    owner = common_user(pod.pod)
    bits = 0o600 if owner is not None or pod.group is not None else DEFAULT_MODE if mode is None else mode
    return {asked.path: atomic.Projected(text.encode(), bits, owner)}


async def trust_bundle(asked: Any, pod: PodVolumes, mode: int | None) -> dict[str, atomic.Projected]:
    """The certificates of one bundle, or of all of a signer, each once (KEP-3257)."""
    found = await pod.objects.trust_bundles(name=asked.name, signer=asked.signerName, labels=asked.labelSelector)
    certificates = sorted({block for text in found for block in CERTIFICATE.findall(text)})
    if not certificates and not asked.optional:
        which = f'"{asked.name}"' if asked.name else f'of signer "{asked.signerName}"'
        raise VolumeError(f"no ClusterTrustBundle {which} was found")
    content = "".join(f"{block}\n" for block in certificates)
    return {asked.path: atomic.Projected(content.encode(), DEFAULT_MODE if mode is None else mode)}


def common_user(pod: Any) -> int | None:
    """The uid that every container runs as by the spec, None when they differ or it is the image's choice."""
    default = pod.spec.securityContext.runAsUser if pod.spec.securityContext else None
    users = set()
    for container in [*(pod.spec.initContainers or ()), *(pod.spec.containers or ())]:
        own = container.securityContext.runAsUser if container.securityContext else None
        users.add(default if own is None else own)
    return users.pop() if len(users) == 1 else None
