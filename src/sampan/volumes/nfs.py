"""nfs: a folder of a file server, in a pod's spec or behind a persistent volume.

It is mounted by mount.nfs (Debian package nfs-common), a program of its own, so that a server that hangs holds up
nobody else. Nothing here looks into the mounted folder: that, too, could hang.

(Upstream's docs, "Volumes", nfs; "Persistent Volumes", mount options.)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from sampan.volumes.errors import VolumeError
from sampan.volumes.interface import Made, PodVolumes
from sampan.volumes.persistent import Persistent


class Nfs:
    source: ClassVar[str] = "nfs"
    changes: ClassVar[bool] = False

    def __init__(
        self,
        programs: tuple[Path, ...] = (Path("/sbin/mount.nfs"), Path("/usr/sbin/mount.nfs")),
        filesystems: Path = Path("/proc/filesystems"),
    ) -> None:
        self._programs = programs
        self._filesystems = filesystems

    def missing(self) -> str:
        """What this node lacks for any NFS volume, with what to do; "" when the fault is elsewhere.

        Asked after a failure: the kernel loads its client when it is first wanted.
        """
        if not any(program.exists() for program in self._programs):
            return "This node has no mount.nfs: install the package nfs-common there"
        if b"\tnfs\n" not in self._filesystems.read_bytes():
            return "This node's kernel has no NFS client: boot one with CONFIG_NFS_FS, or keep the pod off the node"
        return ""

    async def set_up(self, volume: Any, pod: PodVolumes) -> Made:
        asked = volume.nfs
        read_only = bool(asked.readOnly) or (isinstance(volume, Persistent) and volume.read_only)
        path = pod.path("kubernetes.io~nfs", volume.name)
        if not pod.mounter.mounted(path):
            options = volume.options if isinstance(volume, Persistent) else ()
            path.mkdir(parents=True, exist_ok=True, mode=0o750)
            try:
                await pod.mounter.mount("nfs", source_of(asked), path, [*options, *(["ro"] if read_only else [])])
            except VolumeError as error:
                raise VolumeError("\n".join(filter(None, (str(error), self.missing())))) from None
        return Made(path, read_only)

    async def refresh(self, volume: Any, pod: PodVolumes) -> None:
        return None


def source_of(asked: Any) -> str:
    """`server:/path`, with brackets around an IPv6 address."""
    server = f"[{asked.server}]" if ":" in asked.server and not asked.server.startswith("[") else asked.server
    return f"{server}:{asked.path}"
