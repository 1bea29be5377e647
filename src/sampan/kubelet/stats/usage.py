"""Measured amounts, as plain values. Bytes, nanoseconds of CPU time, counts; None for what is not known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """One line of a pressure file (PSI): percent of the time over 10, 60 and 300 seconds, and microseconds in all."""

    avg10: float = 0.0
    avg60: float = 0.0
    avg300: float = 0.0
    total: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuUse:
    """`rate` in nanoseconds of CPU time per second, once there are two readings."""

    total: int = 0
    user: int = 0
    system: int = 0
    rate: int | None = None
    periods: int = 0
    throttled_periods: int = 0
    throttled: int = 0
    pressure: Mapping[str, Pressure] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUse:
    """`limit` 0 is none; `working_set` is what cannot be given back at once."""

    usage: int = 0
    working_set: int = 0
    rss: int = 0
    cache: int = 0
    swap: int = 0
    swap_limit: int = 0
    mapped: int = 0
    faults: int = 0
    major_faults: int = 0
    limit: int = 0
    most: int = 0
    failures: int = 0
    pressure: Mapping[str, Pressure] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuLimits:
    """As the kernel holds a cgroup to them; `quota` and `period` in microseconds, `quota` 0 is none."""

    shares: int = 0
    quota: int = 0
    period: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockUse:
    """What a cgroup has read and written, in bytes and in operations."""

    read: int = 0
    written: int = 0
    reads: int = 0
    writes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSpace:
    """A file system's, or with `used` and `inodes_used` what a folder takes of it."""

    capacity: int = 0
    available: int = 0
    inodes: int = 0
    inodes_free: int = 0
    used: int = 0
    inodes_used: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    name: str
    received: int = 0
    receive_errors: int = 0
    sent: int = 0
    send_errors: int = 0
    received_packets: int = 0
    sent_packets: int = 0
    receive_drops: int = 0
    send_drops: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerUse:
    """`started` in seconds since the epoch; `blocks` by device ("/dev/sda"); `writable` is its own layer, `logs` what
    it has written to them."""

    name: str
    id: str
    cgroup: str
    image: str = ""
    started: float = 0.0
    cpu: CpuUse | None = None
    memory: MemoryUse | None = None
    limits: CpuLimits | None = None
    blocks: Mapping[str, BlockUse] = field(default_factory=dict)
    writable: DiskSpace | None = None
    logs: DiskSpace | None = None
    processes: int = 0
    threads_most: int = 0
    oom_kills: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PodUse:
    """`volumes` by name, those whose use is counted, and `claims`, those that are not the node's; `lent` are the node's
    files that the pod's containers may write to (their hosts file and their last words), which nothing else bounds
    (CVE-2020-8557)."""

    pod: Any
    cgroup: str
    cpu: CpuUse | None = None
    memory: MemoryUse | None = None
    processes: int = 0
    interfaces: tuple[Interface, ...] = ()
    containers: tuple[ContainerUse, ...] = ()
    volumes: Mapping[str, DiskSpace] = field(default_factory=dict)
    claims: Mapping[str, DiskSpace] = field(default_factory=dict)
    lent: DiskSpace | None = None

    @property
    def disk(self) -> tuple[int, int]:
        """Bytes and inodes of writable layers, logs, volumes on disk and what is lent."""
        spaces = [space for c in self.containers for space in (c.writable, c.logs) if space is not None]
        spaces += [self.lent] if self.lent is not None else []
        in_memory = {v.name for v in self.pod.spec.volumes or () if v.emptyDir and v.emptyDir.medium == "Memory"}
        spaces += [space for name, space in self.volumes.items() if name not in in_memory]
        return sum(s.used for s in spaces), sum(s.inodes_used for s in spaces)
