"""A first cluster and the start of pods, on this machine, with real containers. Needs root.

usage: bench/cluster.py [--pods N] [--rate PODS_PER_SECOND]

Rows: the time from `sampan up` (which builds the images, so that is part of ours) until the sample answers by its DNS
name; from a pod's creation until it is seen Running, at 5 pods a second; memory (proportional set size), CPU and disk
writes of all processes of the idle cluster.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path

import dnslib
from calibrator import UPSTREAM_MACHINE, measure
from report import Row, show

from sampan.aio.clock import SystemClock
from sampan.api.kinds import core_v1, meta_v1
from sampan.client import kubeconfig
from sampan.client.rest import RestClient
from sampan.cluster.status import proportional_memory
from sampan.cluster.supervision.processes import Records

DATA_DIR = Path("/var/lib/sampan-bench")
SAMPAN = [sys.executable, "-m", "sampan"]
IDLE_SECONDS = 20
WRITER = b"sampan.store.sqlite.writer"


def up(port: int) -> float:
    """Seconds from the command until the sample answers under its name."""
    began = time.monotonic()
    subprocess.run([*SAMPAN, "up", "--data-dir", str(DATA_DIR), "--port", str(port)], check=True, capture_output=True)
    address = resolve("hello.default.svc.cluster.local")
    with socket.create_connection((address, 80), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b"Hello" in connection.makefile("rb").read()
    return time.monotonic() - began


def resolve(name: str) -> str:
    """An address from the cluster's DNS."""
    answer = dnslib.DNSRecord.parse(dnslib.DNSRecord.question(name).send("10.96.0.10", 53, timeout=5))
    return str(answer.rr[0].rdata)


def down() -> None:
    subprocess.run([*SAMPAN, "down", "--data-dir", str(DATA_DIR)], check=True, capture_output=True)


async def pod_starts(count: int, rate: float) -> list[float]:
    """Seconds from creation until Running of each pod, sorted."""
    clock = SystemClock()
    created: dict[str, float] = {}
    running: dict[str, float] = {}
    async with RestClient(kubeconfig.load(DATA_DIR / "admin.kubeconfig"), clock) as client:
        listed = await client.list(core_v1.Pod, "default")

        async def watch() -> None:
            async for event in client.watch(core_v1.Pod, "default", resource_version=listed.resource_version):
                pod = event.object
                if pod.metadata.name in created and pod.status.phase == "Running":
                    running.setdefault(pod.metadata.name, clock.monotonic())
                    if len(running) == count:
                        return

        watching = asyncio.ensure_future(watch())
        begin = clock.monotonic()
        for number in range(count):
            await clock.sleep(begin + number / rate - clock.monotonic())
            name = f"bench-{number}"
            created[name] = clock.monotonic()
            await client.create(pod(name))
        await asyncio.wait_for(watching, 120)
    return sorted(running[name] - created[name] for name in created)


def pod(name: str) -> object:
    container = core_v1.Container(name="web", image="sampan.dev/sample:1")
    return core_v1.Pod(
        metadata=meta_v1.ObjectMeta(name=name, namespace="default", labels={"bench": "pod"}),
        spec=core_v1.PodSpec(containers=[container], terminationGracePeriodSeconds=0),
    )


def idle() -> tuple[float, float, float]:
    """Memory in MB, share of a core in percent, and kB/s written by all processes of the cluster."""
    recorded = [entry.pid for entry in Records(DATA_DIR / "run").all() if entry.alive]
    pids = [*recorded, *(child for pid in recorded for child in writers(pid))]
    before = [usage(pid) for pid in pids]
    time.sleep(IDLE_SECONDS)
    after = [usage(pid) for pid in pids]
    cpu = sum(a[0] - b[0] for a, b in zip(after, before, strict=True)) / IDLE_SECONDS
    written = sum(a[1] - b[1] for a, b in zip(after, before, strict=True)) / IDLE_SECONDS
    return sum(map(proportional_memory, pids)) / 1e6, cpu * 100, written / 1e3


def writers(pid: int) -> list[int]:
    """The children that write the SQLite file."""
    found = [
        int(child) for tasks in Path(f"/proc/{pid}/task").glob("*/children") for child in tasks.read_text().split()
    ]
    return [child for child in found if WRITER in Path(f"/proc/{child}/cmdline").read_bytes()]


def usage(pid: int) -> tuple[float, int]:
    """CPU seconds used and bytes written so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    written = next(line for line in Path(f"/proc/{pid}/io").read_text().splitlines() if line.startswith("write_bytes"))
    return (int(fields[11]) + int(fields[12])) / 100, int(written.split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=50)
    parser.add_argument("--rate", type=float, default=5.0)
    parser.add_argument("--port", type=int, default=16443)
    given = parser.parse_args()
    calibration = measure() / UPSTREAM_MACHINE
    with contextlib.suppress(subprocess.CalledProcessError):
        down()
    try:
        first = up(given.port)
        memory, cpu, written = idle()
        starts = asyncio.run(pod_starts(given.pods, given.rate))
    finally:
        down()
    show(
        [
            Row("first cluster, sample answers by name", "k3d 19.9 s", 8, first, "s"),
            Row(f"pod start p50 at {given.rate:g}/s", "-", 1.5, starts[len(starts) // 2], "s"),
            Row(f"pod start p99 at {given.rate:g}/s", "5 s", 1.5, starts[int(len(starts) * 0.99)], "s"),
            Row("idle memory with the sample, containerd too", "k3s 500-1,600 MB", 250, memory, "MB", scaled=False),
            Row("idle CPU, percent of a core", "-", 3, cpu, "s", scaled=False),
            Row("idle disk writes, kB/s", "-", 6, written, "s", scaled=False),
        ],
        calibration,
    )


if __name__ == "__main__":
    main()
