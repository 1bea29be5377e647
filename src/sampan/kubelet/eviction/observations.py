"""The eviction signals, from what the machine and its file systems show: pure."""

from __future__ import annotations

from sampan.kubelet.eviction.signals import Observation
from sampan.kubelet.machine import Machine, Usage
from sampan.kubelet.stats.usage import DiskSpace, MemoryUse


def observations(
    machine: Machine,
    usage: Usage,
    *,
    image: DiskSpace | None = None,
    container: DiskSpace | None = None,
    pods: MemoryUse | None = None,
) -> dict[str, Observation]:
    """By signal. `image` and `container` are the file systems of images and writable layers where they are known,
    `pods` what all pods use of memory together, if they are held to a limit."""
    found = {
        "memory.available": Observation(usage.memory_available, machine.memory),
        "nodefs.available": Observation(usage.disk_available, usage.disk_bytes),
        "pid.available": Observation(usage.pids_most - usage.pids, usage.pids_most),
    }
    if usage.disk_inodes:
        found["nodefs.inodesFree"] = Observation(usage.disk_inodes_free, usage.disk_inodes)
    for name, space in (("imagefs", image), ("containerfs", container)):
        if space is not None:
            found[f"{name}.available"] = Observation(space.available, space.capacity)
            if space.inodes:
                found[f"{name}.inodesFree"] = Observation(space.inodes_free, space.inodes)
    if pods is not None and pods.limit:
        found["allocatableMemory.available"] = Observation(pods.limit - pods.working_set, pods.limit)
    return found
