"""From the kernel's files to measured amounts, for either version of cgroups: pure but for the reading itself."""

from __future__ import annotations

from collections.abc import Iterator

from sampan.kubelet.cgroup.tree import CgroupTree
from sampan.kubelet.cgroup.weight import linear_shares
from sampan.kubelet.stats.usage import BlockUse, CpuLimits, CpuUse, MemoryUse, Pressure

MICRO = 1000
TICK = 10_000_000
"""Nanoseconds of a clock tick (USER_HZ is 100 on every Linux that runs containers)."""
NO_LIMIT = 1 << 62
"""cgroup v1 shows "no limit" as a number near 2^63."""


def cpu(tree: CgroupTree, name: str) -> CpuUse | None:
    """None when there is no such cgroup."""
    if tree.version == 2:
        stat = pairs(tree.read("cpu", name, "cpu.stat"))
        if "usage_usec" not in stat:
            return None
        return CpuUse(
            total=stat["usage_usec"] * MICRO,
            user=stat.get("user_usec", 0) * MICRO,
            system=stat.get("system_usec", 0) * MICRO,
            periods=stat.get("nr_periods", 0),
            throttled_periods=stat.get("nr_throttled", 0),
            throttled=stat.get("throttled_usec", 0) * MICRO,
            pressure=pressure(tree.read("cpu", name, "cpu.pressure")),
        )
    total = tree.read("cpuacct", name, "cpuacct.usage")
    if not total:
        return None
    ticks, stat = pairs(tree.read("cpuacct", name, "cpuacct.stat")), pairs(tree.read("cpu", name, "cpu.stat"))
    return CpuUse(
        total=int(total),
        user=ticks.get("user", 0) * TICK,
        system=ticks.get("system", 0) * TICK,
        periods=stat.get("nr_periods", 0),
        throttled_periods=stat.get("nr_throttled", 0),
        throttled=stat.get("throttled_time", 0),
    )


def memory(tree: CgroupTree, name: str) -> MemoryUse | None:
    """None when there is no such cgroup."""
    return memory_v2(tree, name) if tree.version == 2 else memory_v1(tree, name)


def memory_v2(tree: CgroupTree, name: str) -> MemoryUse | None:
    used = number(tree.read("memory", name, "memory.current"))
    stat = pairs(tree.read("memory", name, "memory.stat"))
    if not stat:
        return None
    return MemoryUse(
        usage=used,
        working_set=max(used - stat.get("inactive_file", 0), 0),
        rss=stat.get("anon", 0),
        cache=stat.get("file", 0),
        swap=number(tree.read("memory", name, "memory.swap.current")),
        swap_limit=number(tree.read("memory", name, "memory.swap.max")),
        mapped=stat.get("file_mapped", 0),
        faults=stat.get("pgfault", 0),
        major_faults=stat.get("pgmajfault", 0),
        limit=number(tree.read("memory", name, "memory.max")),
        most=number(tree.read("memory", name, "memory.peak")),
        failures=pairs(tree.read("memory", name, "memory.events")).get("max", 0),
        pressure=pressure(tree.read("memory", name, "memory.pressure")),
    )


def memory_v1(tree: CgroupTree, name: str) -> MemoryUse | None:
    text = tree.read("memory", name, "memory.usage_in_bytes")
    if not text:
        return None
    used, stat = int(text), pairs(tree.read("memory", name, "memory.stat"))
    limit = number(tree.read("memory", name, "memory.limit_in_bytes"))
    return MemoryUse(
        usage=used,
        working_set=max(used - stat.get("total_inactive_file", 0), 0),
        rss=stat.get("total_rss", 0),
        cache=stat.get("total_cache", 0),
        swap=stat.get("total_swap", 0),
        mapped=stat.get("total_mapped_file", 0),
        faults=stat.get("total_pgfault", 0),
        major_faults=stat.get("total_pgmajfault", 0),
        limit=0 if limit > NO_LIMIT else limit,
        most=number(tree.read("memory", name, "memory.max_usage_in_bytes")),
        failures=number(tree.read("memory", name, "memory.failcnt")),
    )


def cpu_limits(tree: CgroupTree, name: str) -> CpuLimits:
    """Shares of either version as v1 counts them, and as cAdvisor turns them around."""
    if tree.version == 2:
        quota, _, period = tree.read("cpu", name, "cpu.max").partition(" ")
        weight = number(tree.read("cpu", name, "cpu.weight"))
        return CpuLimits(shares=linear_shares(weight), quota=number(quota), period=number(period))
    files = ("cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us")
    given, quota, period = (tree.read("cpu", name, file) for file in files)
    return CpuLimits(shares=number(given), quota=number(quota), period=number(period))


def blocks(tree: CgroupTree, name: str) -> dict[str, BlockUse]:
    """By device ("8:0"); empty where the kernel does not count."""
    if tree.version == 2:
        return blocks_v2(tree.read("io", name, "io.stat"))
    files = ("blkio.throttle.io_service_bytes", "blkio.throttle.io_serviced")
    return blocks_v1(*(tree.read("blkio", name, file) for file in files))


def blocks_v2(text: str) -> dict[str, BlockUse]:
    """Of lines `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 ...`."""
    found = {}
    for line in text.splitlines():
        device, *words = line.split()
        numbers = {key: number(value) for key, _, value in (word.partition("=") for word in words)}
        read, written, reads, writes = (numbers.get(key, 0) for key in ("rbytes", "wbytes", "rios", "wios"))
        found[device] = BlockUse(read=read, written=written, reads=reads, writes=writes)
    return found


def blocks_v1(in_bytes: str, in_operations: str) -> dict[str, BlockUse]:
    """Of lines `8:0 Read 4096`, `8:0 Write 0`, ... of both files."""
    sizes, counts = by_device(in_bytes), by_device(in_operations)
    return {
        device: BlockUse(
            read=found.get("Read", 0),
            written=found.get("Write", 0),
            reads=counts.get(device, {}).get("Read", 0),
            writes=counts.get(device, {}).get("Write", 0),
        )
        for device, found in sizes.items()
    }


def by_device(text: str) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for words in (line.split() for line in text.splitlines()):
        if len(words) == 3:
            found.setdefault(words[0], {})[words[1]] = number(words[2])
    return found


def oom_kills(tree: CgroupTree, name: str) -> int:
    """How many processes of the cgroup the kernel has killed for want of memory."""
    file = "memory.events" if tree.version == 2 else "memory.oom_control"
    return pairs(tree.read("memory", name, file)).get("oom_kill", 0)


def processes(tree: CgroupTree, name: str) -> int:
    """Tasks in the cgroup and all below it; without the pids controller what its own list has."""
    text = tree.read("pids", name, "pids.current")
    return number(text) if text else len(pids(tree, name))


def most_processes(tree: CgroupTree, name: str) -> int:
    """The limit, 0 for none."""
    return number(tree.read("pids", name, "pids.max"))


def pids(tree: CgroupTree, name: str) -> list[int]:
    """The processes in the cgroup itself."""
    return [int(word) for word in tree.read("memory", name, "cgroup.procs").split()]


def pressure(text: str) -> dict[str, Pressure] | None:
    """`some` and `full` of a PSI file; None where the kernel has none."""
    found = {}
    for line in text.splitlines():
        kind, *words = line.split()
        values = dict(word.split("=", 1) for word in words)
        found[kind] = Pressure(
            avg10=float(values["avg10"]),
            avg60=float(values["avg60"]),
            avg300=float(values["avg300"]),
            total=int(values["total"]),
        )
    return found or None


def kills(tree: CgroupTree, name: str) -> int:
    """How many processes there and below the kernel has killed for want of memory; 0 with cgroup v1."""
    return pairs(tree.read("memory", name, "memory.events")).get("oom_kill", 0)


def pairs(text: str) -> dict[str, int]:
    """The lines `name number` of a file."""
    return dict(_pairs(text))


def _pairs(text: str) -> Iterator[tuple[str, int]]:
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if value.strip().isdigit():
            yield name, int(value)


def number(text: str) -> int:
    """0 for "max" and for nothing."""
    return int(text) if text.isdigit() else 0
