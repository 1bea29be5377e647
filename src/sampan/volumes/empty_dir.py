"""emptyDir: a folder that lives as long as the pod, on disk or in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from sampan.api import quantity
from sampan.volumes.errors import UnsupportedVolume
from sampan.volumes.interface import PodVolumes
from sampan.volumes.ownership import give_to_group


class EmptyDir:
    source: ClassVar[str] = "emptyDir"
    changes: ClassVar[bool] = False

    async def set_up(self, volume: Any, pod: PodVolumes) -> Path:
        """The size limit of a disk-backed one is for eviction to watch; that of memory is the mount's own."""
        asked = volume.emptyDir
        path = pod.path("kubernetes.io~empty-dir", volume.name)
        path.mkdir(parents=True, exist_ok=True)
        if asked.medium == "Memory":
            limit = quantity.units(asked.sizeLimit) if asked.sizeLimit is not None else memory_limit(pod.pod)
            pod.mounter.tmpfs(path, limit or None)
        elif asked.medium:
            raise UnsupportedVolume(f'unknown medium "{asked.medium}"')
        path.chmod(0o777)
        give_to_group(path, pod.group)
        return path

    async def refresh(self, volume: Any, pod: PodVolumes) -> None:
        return None


def memory_limit(pod: Any) -> int:
    """The sum of the containers' memory limits in bytes; 0 when one has none (the kernel then takes half of all)."""
    limits = [(c.resources.limits or {}).get("memory") if c.resources else None for c in pod.spec.containers or ()]
    return 0 if None in limits else sum(quantity.units(limit) for limit in limits)
