"""nfs: a folder of a file server, in a pod's spec or behind a persistent volume.

It is mounted by mount.nfs (Debian package nfs-common), a program of its own, so that a server that hangs holds up
nobody else. Nothing here looks into the mounted folder: that, too, could hang.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sampan.volumes.interface import Made, PodVolumes
from sampan.volumes.persistent import Persistent


class Nfs:
    source: ClassVar[str] = "nfs"
    changes: ClassVar[bool] = False

    async def set_up(self, volume: Any, pod: PodVolumes) -> Made:
        asked = volume.nfs
        read_only = bool(asked.readOnly) or (isinstance(volume, Persistent) and volume.read_only)
        path = pod.path("kubernetes.io~nfs", volume.name)
        if not pod.mounter.mounted(path):
            options = volume.options if isinstance(volume, Persistent) else ()
            path.mkdir(parents=True, exist_ok=True, mode=0o750)
            await pod.mounter.mount("nfs", source_of(asked), path, [*options, *(["ro"] if read_only else [])])
        return Made(path, read_only)

    async def refresh(self, volume: Any, pod: PodVolumes) -> None:
        return None


def source_of(asked: Any) -> str:
    """`server:/path`, with brackets around an IPv6 address."""
    server = f"[{asked.server}]" if ":" in asked.server and not asked.server.startswith("[") else asked.server
    return f"{server}:{asked.path}"
