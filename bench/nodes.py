"""What simulated nodes cost: the lease renewals of 5,000 of them, against an API server in a process of its own.

usage: bench/nodes.py [--nodes N] [--seconds N] [--store sqlite|memory]

Prints renewals per second, the CPU of the server's process and of the nodes' (shares of one core), how late the
renewals are, and memory. The goal in TARGETS is 500 renewals a second with under half a core on the server.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import time
from pathlib import Path

import uvloop

from sampan.aio.clock import SystemClock
from sampan.testing import SimulatedNodes, cluster

TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--store", default="sqlite")
    options = parser.parse_args()
    with cluster(process=True, controllers=False, scheduler=False, store=options.store) as running:
        servers = children()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(measure(running, options, servers))


async def measure(running, options: argparse.Namespace, servers: list[int]) -> None:
    async with running.client() as client:
        names = [f"n{number}" for number in range(options.nodes)]
        nodes = SimulatedNodes(client, SystemClock(), random.Random(1), names)
        work = asyncio.create_task(nodes.run())
        begun = time.monotonic()
        while nodes.statistics()["nodes"] < options.nodes:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        print(f"{options.nodes} nodes registered in {time.monotonic() - begun:.1f} s")
        await asyncio.sleep(12)
        before, cpu, own, begun = nodes.statistics(), cpu_of(servers), cpu_of([os.getpid()]), time.monotonic()
        await asyncio.sleep(options.seconds)
        after, spent = nodes.statistics(), time.monotonic() - begun
        print(f"renewals      {(after['renewals'] - before['renewals']) / spent:8.0f} /s")
        print(f"server CPU    {(cpu_of(servers) - cpu) / spent:8.2f} of a core, {memory_of(servers):.0f} MB")
        print(
            f"nodes' CPU    {(cpu_of([os.getpid()]) - own) / spent:8.2f} of a core, {memory_of([os.getpid()]):.0f} MB"
        )
        print(f"late by       {after['late_seconds']:8.3f} s, {after['failures'] - before['failures']} failed")
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


def children() -> list[int]:
    """The processes this one has started, and theirs."""
    found = [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    for pid in found:
        found += [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return found


def cpu_of(pids: list[int]) -> float:
    """CPU seconds used so far."""
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(one[11]) + int(one[12]) for one in stats) / TICKS


def memory_of(pids: list[int]) -> float:
    """Resident megabytes."""
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
