"""The node as a whole: from /proc, for the root of the cgroup trees has less."""

from __future__ import annotations

from pathlib import Path

from sampan.kubelet.machine import meminfo, text
from sampan.kubelet.stats.usage import CpuUse, MemoryUse

TICK = 10_000_000


def cpu(proc: Path = Path("/proc")) -> CpuUse | None:
    """Time spent in work since the machine started."""
    words = text(proc / "stat").partition("\n")[0].split()
    if len(words) < 9:
        return None
    user, nice, system, _, _, irq, softirq, steal = (int(word) for word in words[1:9])
    used = user + nice + system + irq + softirq + steal
    return CpuUse(total=used * TICK, user=(user + nice) * TICK, system=(system + irq + softirq) * TICK)


def memory(root: Path = Path("/")) -> MemoryUse:
    """What is used, and of that what is no cache."""
    found = meminfo(root)
    used = found["MemTotal"] - found["MemFree"]
    faults = dict(line.split(" ", 1) for line in text(root / "proc/vmstat").splitlines() if " " in line)
    return MemoryUse(
        usage=used,
        working_set=max(used - found.get("Inactive(file)", 0), 0),
        rss=found.get("AnonPages", 0),
        cache=found.get("Cached", 0),
        swap=found.get("SwapTotal", 0) - found.get("SwapFree", 0),
        faults=int(faults.get("pgfault", 0)),
        major_faults=int(faults.get("pgmajfault", 0)),
    )


def swap_left(root: Path = Path("/")) -> int:
    return meminfo(root).get("SwapFree", 0)


def booted(root: Path = Path("/")) -> float:
    """Seconds since the epoch."""
    lines = text(root / "proc/stat").splitlines()
    return next((float(line.split()[1]) for line in lines if line.startswith("btime ")), 0.0)
