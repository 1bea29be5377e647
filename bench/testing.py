"""How long a test waits for its cluster: `python bench/testing.py [--runs 5]`.

Seconds until `sampan.testing.cluster()` can be used, the best of several runs: in the caller's event loop, in a thread,
in a child process, with 100 simulated nodes; and the caller's and the child's CPU. The first run also pays for imports,
which stand in a row of their own. Then an hour of cluster time with 100 nodes, in virtual time.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

FIRST = (
    "import time; t = time.monotonic()\nfrom sampan.testing import cluster\nwith cluster(): print(time.monotonic() - t)"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    print(f"{'what':52} {'seconds':>8} {'CPU s':>8}")
    row("the first in a process, with all imports", runs, first)
    kinds: tuple[tuple[str, dict[str, Any]], ...] = (
        ("in a thread of this process", {}),
        ("the API server alone", {"controllers": False, "scheduler": False}),
        ("with 100 simulated nodes", {"nodes": 100}),
        ("in a child process", {"process": True}),
    )
    for what, options in kinds:
        row(what, runs, partial(started, **options))
    row("in the caller's event loop", runs, lambda: asyncio.run(started_here()))
    row("an hour of 100 nodes in virtual time", 1, an_hour)


def row(what: str, runs: int, measure: Callable[[], float]) -> None:
    """Prints the best of some runs, and the CPU of all of them divided by their number."""
    before = cpu()
    best = min(measure() for _ in range(runs))
    print(f"{what:52} {best:8.2f} {(cpu() - before) / runs:8.2f}", flush=True)


def cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def first() -> float:
    return float(subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, check=True).stdout)


def started(**options: Any) -> float:
    from sampan.testing import cluster

    begun = time.monotonic()
    with cluster(**options):
        return time.monotonic() - begun


async def started_here() -> float:
    from sampan.testing import cluster

    begun = time.monotonic()
    async with cluster():
        return time.monotonic() - begun


def an_hour() -> float:
    from sampan.testing import VirtualCluster, simulate

    async def story(running: VirtualCluster) -> None:
        await running.pass_time(3600)

    begun = time.monotonic()
    simulate(story, nodes=100)
    return time.monotonic() - begun


if __name__ == "__main__":
    main()
