"""What eviction looks at ("Node-pressure Eviction", eviction signals): pure values and one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Signal(NamedTuple):
    """`resource` is what a pod's end is explained with, `condition` what the node shows, `order` what comes first."""

    resource: str
    condition: str
    order: int


SIGNALS: dict[str, Signal] = {
    "memory.available": Signal("memory", "MemoryPressure", 0),
    "allocatableMemory.available": Signal("memory", "MemoryPressure", 1),
    "nodefs.available": Signal("ephemeral-storage", "DiskPressure", 2),
    "nodefs.inodesFree": Signal("inodes", "DiskPressure", 3),
    "imagefs.available": Signal("ephemeral-storage", "DiskPressure", 4),
    "imagefs.inodesFree": Signal("inodes", "DiskPressure", 5),
    "containerfs.available": Signal("ephemeral-storage", "DiskPressure", 6),
    "containerfs.inodesFree": Signal("inodes", "DiskPressure", 7),
    "pid.available": Signal("pids", "PIDPressure", 8),
}
CONDITIONS = ("MemoryPressure", "DiskPressure", "PIDPressure")
RECLAIMABLE = ("nodefs", "imagefs", "containerfs")
"""File systems that unused images and ended containers can be removed from."""


@dataclass(frozen=True, slots=True)
class Observation:
    """How much is left of how much: bytes, inodes or process ids."""

    available: int
    capacity: int
