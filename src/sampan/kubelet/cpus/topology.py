"""Which processors the machine has and where they sit: pure but for reading /sys.

Sets of processors are written as the kernel does: "0-3,7".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MOST = 100_000


@dataclass(frozen=True, slots=True, order=True)
class Cpu:
    """`core` is its physical core's number in its socket, `node` its NUMA node."""

    socket: int
    node: int
    core: int
    id: int


Topology = dict[int, Cpu]


def parse(text: str) -> frozenset[int]:
    """The processors in "0-3,7"; raises ValueError."""
    found: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, dash, last = part.partition("-")
        begin, end = int(first), int(last if dash else first)
        if not 0 <= begin <= end < MOST:
            raise ValueError(f"{part!r} is no range of processors")
        found.update(range(begin, end + 1))
    return frozenset(found)


def shown(cpus: Iterable[int]) -> str:
    """As `parse` reads it."""
    ranges: list[list[int]] = []
    for cpu in sorted(cpus):
        if ranges and ranges[-1][1] == cpu - 1:
            ranges[-1][1] = cpu
        else:
            ranges.append([cpu, cpu])
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in ranges)


def read(allowed: Iterable[int], sys: Path = Path("/sys/devices/system")) -> Topology:
    """Of the processors this process may use."""
    nodes = {
        cpu: int(path.parent.name[4:]) for path in sys.glob("node/node*/cpulist") for cpu in parse(path.read_text())
    }
    return {cpu: located(cpu, nodes.get(cpu, 0), sys) for cpu in sorted(allowed)}


def located(cpu: int, node: int, sys: Path) -> Cpu:
    folder = sys / f"cpu/cpu{cpu}/topology"

    def number(name: str, default: int) -> int:
        try:
            return max(int((folder / name).read_text()), 0)
        except (OSError, ValueError):
            return default

    return Cpu(number("physical_package_id", 0), node, number("core_id", cpu), cpu)
