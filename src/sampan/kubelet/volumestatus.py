"""What a container's status says of its volumes and of its user, as far as the runtime tells."""

from __future__ import annotations

from typing import Any

from sampan.api.kinds import core_v1
from sampan.kubelet.observed import Container


def volume_mounts(spec: Any, container: Container | None) -> list[Any] | None:
    """How the container's volumes are mounted; for read-only ones also whether what is mounted in them is, too."""
    recursive = container.recursive_mounts if container else ()
    return [
        core_v1.VolumeMountStatus(
            name=mount.name,
            mountPath=mount.mountPath,
            readOnly=mount.readOnly,
            recursiveReadOnly=("Enabled" if f"/{mount.mountPath.lstrip('/')}" in recursive else "Disabled")
            if mount.readOnly
            else None,
        )
        for mount in spec.volumeMounts or ()
    ] or None


def user(container: Container | None) -> Any:
    """Whom its first process runs as, where the runtime tells (KEP-3619)."""
    if container is None or container.user is None:
        return None
    uid, gid, groups = container.user
    return core_v1.ContainerUser(
        linux=core_v1.LinuxContainerUser(uid=uid, gid=gid, supplementalGroups=list(groups) or None)
    )
