"""emptyDir: a folder that lives as long as the pod, on disk, in memory or in huge pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from sampan.api import quantity
from sampan.volumes.errors import UnsupportedVolume, VolumeError
from sampan.volumes.interface import Made, PodVolumes

PLUGIN = "kubernetes.io~empty-dir"
HUGE = "hugepages-"


class EmptyDir:
    source: ClassVar[str] = "emptyDir"
    changes: ClassVar[bool] = False

    async def set_up(self, volume: Any, pod: PodVolumes) -> Made:
        """Once: what the pod has done to its folder since stays. The size limit of a disk-backed one is for eviction
        to watch; that of memory is the mount's own."""
        medium = volume.emptyDir.medium or ""
        path, marker = pod.path(PLUGIN, volume.name), pod.marker(PLUGIN, volume.name)
        if marker.exists() and (not medium or pod.mounter.mounted(path)):
            return Made(path)
        path.mkdir(parents=True, exist_ok=True)
        mount_medium(volume.emptyDir, medium, path, pod)
        path.chmod(0o777)
        await pod.give_to_group(path)
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
        return Made(path)

    async def refresh(self, volume: Any, pod: PodVolumes) -> None:
        return None


def mount_medium(asked: Any, medium: str, path: Path, pod: PodVolumes) -> None:
    if medium == "Memory":
        pod.mounter.tmpfs(path, memory_size(asked, pod) or None)
    elif medium.startswith("HugePages"):
        pod.mounter.hugepages(path, page_size(medium, pod.pod))
    elif medium:
        raise UnsupportedVolume(f'unknown medium "{medium}"')


def memory_size(asked: Any, pod: PodVolumes) -> int:
    """Bytes: the smallest of the volume's limit, what the pod may use, and what pods may use of the node (KEP-1967)."""
    node = quantity.units((pod.allocatable or {}).get("memory"))
    limits = (quantity.units(asked.sizeLimit), memory_limit(pod.pod), node)
    return min((limit for limit in limits if limit), default=0)


def memory_limit(pod: Any) -> int:
    """The pod's limit, or else the sum of its containers', in bytes; 0 when one has none."""
    own = (pod.spec.resources.limits or {}).get("memory") if pod.spec.resources else None
    if own is not None:
        return quantity.units(own)
    limits = [(c.resources.limits or {}).get("memory") if c.resources else None for c in pod.spec.containers or ()]
    return 0 if None in limits else sum(quantity.units(limit) for limit in limits)


def page_size(medium: str, pod: Any) -> int:
    """The bytes of a page of `HugePages-2Mi`, or of the one size that the pod's containers ask for."""
    asked = requested_pages(pod)
    named = medium.removeprefix("HugePages").removeprefix("-")
    if named:
        if named not in asked:
            raise VolumeError(f'medium "{medium}" wants pages of a size that no container of the pod asks for')
        return quantity.units(named)
    if len(asked) != 1:
        sizes = ", ".join(sorted(asked)) or "none"
        raise VolumeError(f'medium "{medium}" wants the pod to ask for huge pages of exactly one size, not: {sizes}')
    return quantity.units(asked.pop())


def requested_pages(pod: Any) -> set[str]:
    """The sizes of huge pages that containers ask for, as `2Mi`."""
    given = [c.resources for c in [*(pod.spec.initContainers or ()), *(pod.spec.containers or ())] if c.resources]
    names = {name for resources in given for name in [*(resources.requests or ()), *(resources.limits or ())]}
    return {name.removeprefix(HUGE) for name in names if name.startswith(HUGE)}
