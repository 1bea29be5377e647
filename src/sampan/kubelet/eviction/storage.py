"""Pods that have used more of the disk than they may: pure ("Local ephemeral storage", ephemeral storage consumption).

Counted are the containers' writable layers and logs and the pod's volumes on disk. What a memory-backed emptyDir holds
counts against its own size limit alone; it is memory otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sampan.api import quantity
from sampan.kubelet.amounts import container_amount, in_bytes, pod_amounts
from sampan.kubelet.spec import all_containers

RESOURCE = "ephemeral-storage"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUse:
    """Bytes: `containers` are writable layers and logs by container, `volumes` what lies in each volume of the pod,
    `lent` as in `stats.usage.PodUse`."""

    containers: Mapping[str, int] = field(default_factory=dict)
    volumes: Mapping[str, int] = field(default_factory=dict)
    lent: int = 0


def is_bounded(pod: Any) -> bool:
    """Whether anything of the pod has a limit on disk, so that its use has to be measured."""
    if any(volume.emptyDir is not None and volume.emptyDir.sizeLimit is not None for volume in pod.spec.volumes or ()):
        return True
    return RESOURCE in pod_amounts(pod, "limits")


def excess(pod: Any, used: DiskUse) -> str:
    """What is too much, in upstream's words; "" when nothing is."""
    return too_full_volume(pod, used) or too_full_pod(pod, used) or too_full_container(pod, used)


def too_full_volume(pod: Any, used: DiskUse) -> str:
    for volume in pod.spec.volumes or ():
        limit = volume.emptyDir.sizeLimit if volume.emptyDir is not None else None
        if limit is not None and quantity.units(limit) > 0 and used.volumes.get(volume.name, 0) > quantity.units(limit):
            return f'Usage of EmptyDir volume "{volume.name}" exceeds the limit "{limit}". '
    return ""


def too_full_pod(pod: Any, used: DiskUse) -> str:
    limits = pod_amounts(pod, "limits")
    if RESOURCE not in limits or not all_limited(pod):
        return ""
    in_memory = {v.name for v in pod.spec.volumes or () if v.emptyDir is not None and v.emptyDir.medium == "Memory"}
    on_disk = sum(amount for name, amount in used.volumes.items() if name not in in_memory)
    if sum(used.containers.values()) + on_disk + used.lent > in_bytes(limits, RESOURCE):
        return f"Pod ephemeral local storage usage exceeds the total limit of containers {limits[RESOURCE]}. "
    return ""


def all_limited(pod: Any) -> bool:
    """Whether the sum of the limits is one: a container without any may use what it likes."""
    return all(container_amount(container, "limits", RESOURCE) is not None for container in all_containers(pod))


def too_full_container(pod: Any, used: DiskUse) -> str:
    for container in all_containers(pod):
        limit = container_amount(container, "limits", RESOURCE)
        if limit is not None and used.containers.get(container.name, 0) > quantity.units(limit):
            return f'Container {container.name} exceeded its local ephemeral storage limit "{limit}". '
    return ""
