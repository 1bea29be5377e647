"""One node full of pods, with real containers: how fast they start, and what its agent uses. Needs root.

usage: bench/pods.py [--pods 110] [--containers 1000] [--churn SECONDS] [--rate PODS_PER_SECOND]

Rows, of the agent alone (kubelet, service proxy, DNS) unless said otherwise: pods created all at once, how many start
a second, and p50 and p99 from creation to Running; its memory and CPU with those pods idle, and while `--rate` pods a
second are replaced; its CPU for one pod's start, and how often it asks the runtime; then, with `--containers`, its
memory with that many containers in pods of ten. Beside them upstream's service level (5 s) and what its kubelet is
planned with (200 MB, 0.35 of a core at 110 pods).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from calibrator import UPSTREAM_MACHINE, measure
from cluster import DATA_DIR, SAMPAN, down, usage
from report import Row, show

from sampan.aio.clock import SystemClock
from sampan.api.kinds import core_v1, meta_v1
from sampan.client import kubeconfig
from sampan.client.rest import RestClient
from sampan.cluster.status import proportional_memory
from sampan.cluster.supervision.processes import Records

IDLE_SECONDS = 30
CREATORS = 16
CONTAINERS_A_POD = 10
PATIENCE = 600
UPSTREAM_MEMORY, UPSTREAM_CPU = "200 MB", "35 %"


class Agent:
    """What the agent's process has used since it was last asked."""

    def __init__(self) -> None:
        entry = Records(DATA_DIR / "run").load("agent")
        assert entry is not None, "no agent runs"
        self._pid = entry.pid
        self._then = (time.monotonic(), usage(self._pid)[0])

    def cpu(self) -> tuple[float, float]:
        """CPU seconds used and the share of a core in percent, since the last call."""
        now = (time.monotonic(), usage(self._pid)[0])
        seconds, used = now[0] - self._then[0], now[1] - self._then[1]
        self._then = now
        return used, used / seconds * 100

    def memory(self) -> float:
        """Megabytes."""
        return proportional_memory(self._pid) / 1e6

    def wakeups(self) -> int:
        """How often any of its threads has slept until something came: what polls does so, however little it uses."""
        statuses = [path.read_text() for path in Path(f"/proc/{self._pid}/task").glob("*/status")]
        return sum(int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0]) for status in statuses)


class Pods:
    """Creates pods and hears when they run."""

    def __init__(self, client: RestClient, clock: SystemClock) -> None:
        self._client = client
        self._clock = clock
        self._created: dict[str, float] = {}
        self.running: dict[str, float] = {}
        self._heard = asyncio.Event()

    async def watch(self) -> None:
        listed = await self._client.list(core_v1.Pod, "default")
        async for event in self._client.watch(core_v1.Pod, "default", resource_version=listed.resource_version):
            name, status = event.object.metadata.name, event.object.status
            if name in self._created and name not in self.running and status and status.phase == "Running":
                self.running[name] = self._clock.monotonic() - self._created[name]
                self._heard.set()

    async def create(self, names: Iterable[str], containers: int = 1) -> None:
        turns = asyncio.Semaphore(CREATORS)

        async def one(name: str) -> None:
            async with turns:
                self._created[name] = self._clock.monotonic()
                await self._client.create(pod(name, containers))

        await asyncio.gather(*map(one, names))

    async def until_running(self, names: list[str]) -> list[float]:
        """Seconds from creation to Running of each, sorted."""
        async with asyncio.timeout(PATIENCE):
            while not all(name in self.running for name in names):
                self._heard.clear()
                await self._heard.wait()
        return sorted(self.running[name] for name in names)

    async def delete(self, names: Iterable[str]) -> None:
        for name in names:
            await self._client.delete(core_v1.Pod, name, "default")

    async def runtime_calls(self) -> float:
        """How often the kubelet has asked its runtime for anything yet."""
        node = (await self._client.list(core_v1.Node)).items[0].metadata.name
        path = f"/api/v1/nodes/{node}/proxy/metrics"
        lines = (await self._client.raw("GET", path, accept="text/plain")).decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("kubelet_runtime_operations_total{"))

    async def until_gone(self) -> None:
        while (await self._client.list(core_v1.Pod, "default")).items:
            await self._clock.sleep(0.5)


def pod(name: str, containers: int) -> object:
    """Containers that sleep: what is measured is the agent, not what it runs."""
    made = [
        core_v1.Container(name=f"c{number}", image="sampan.dev/sample:1", command=["sleep", "100000"])
        for number in range(containers)
    ]
    return core_v1.Pod(
        metadata=meta_v1.ObjectMeta(name=name, namespace="default"),
        spec=core_v1.PodSpec(containers=made, terminationGracePeriodSeconds=0),
    )


async def full(pods: Pods, agent: Agent, clock: SystemClock, count: int) -> list[Row]:
    names = [f"full-{number}" for number in range(count)]
    asked = await pods.runtime_calls()
    agent.cpu()
    began = clock.monotonic()
    await pods.create(names)
    starts = await pods.until_running(names)
    took, used = clock.monotonic() - began, agent.cpu()[0]
    asked = await pods.runtime_calls() - asked
    busy, wakeups = await idle(agent, clock)
    return [
        Row(f"{count} pods at once: started a second", "-", 5, count / took, "1/s"),
        Row(f"{count} pods at once: start p50", "-", 15, starts[count // 2], "s"),
        Row(f"{count} pods at once: start p99", "-", 30, starts[int(count * 0.99)], "s"),
        Row("agent: CPU for one start, ms", "-", 40, used / count * 1000, "s"),
        Row("agent: calls of the runtime for one start", "-", 10, asked / count, "", scaled=False),
        Row(f"agent: CPU with {count} idle pods, % of a core", UPSTREAM_CPU, 3, busy, "s"),
        Row(f"agent: wake-ups a second with {count} idle pods", "-", 50, wakeups, "", scaled=False),
        Row(f"agent: memory with {count} pods", UPSTREAM_MEMORY, 100, agent.memory(), "MB", scaled=False),
    ]


async def idle(agent: Agent, clock: SystemClock) -> tuple[float, float]:
    """The share of a core in percent, and wake-ups a second, once everything has come to rest."""
    await clock.sleep(IDLE_SECONDS / 3)
    agent.cpu()
    before = agent.wakeups()
    await clock.sleep(IDLE_SECONDS)
    return agent.cpu()[1], (agent.wakeups() - before) / IDLE_SECONDS


async def churn(pods: Pods, agent: Agent, clock: SystemClock, seconds: float, rate: float) -> list[Row]:
    """Ends the pods of before one by one and starts others in their places."""
    old, new = [f"full-{number}" for number in range(int(seconds * rate))], []
    asked = await pods.runtime_calls()
    agent.cpu()
    began = clock.monotonic()
    for number, name in enumerate(old):
        await clock.sleep(began + number / rate - clock.monotonic())
        await pods.delete([name])
        new.append(f"churn-{number}")
        await pods.create(new[-1:])
    starts = await pods.until_running(new)
    busy, asked = agent.cpu()[1], await pods.runtime_calls() - asked
    return [
        Row("agent: calls of the runtime for one replaced", "-", 15, asked / len(new), "", scaled=False),
        Row(f"start p50, {rate:g} pods a second replaced", "-", 1.5, starts[len(new) // 2], "s"),
        Row(f"start p99, {rate:g} pods a second replaced", "5 s", 1.5, starts[int(len(new) * 0.99)], "s"),
        Row("agent: CPU meanwhile, % of a core", UPSTREAM_CPU, 35, busy, "s"),
        Row("agent: memory after it", UPSTREAM_MEMORY, 100, agent.memory(), "MB", scaled=False),
    ]


async def many(pods: Pods, agent: Agent, clock: SystemClock, containers: int) -> list[Row]:
    names = [f"many-{number}" for number in range(containers // CONTAINERS_A_POD)]
    await pods.create(names, CONTAINERS_A_POD)
    await pods.until_running(names)
    busy, wakeups = await idle(agent, clock)
    return [
        Row(f"agent: memory with {containers} containers", "-", 150, agent.memory(), "MB", scaled=False),
        Row(f"agent: CPU with {containers} idle containers, %", "-", 10, busy, "s"),
        Row(f"agent: wake-ups a second with {containers} idle containers", "-", 50, wakeups, "", scaled=False),
    ]


async def rows(given: argparse.Namespace) -> list[Row]:
    clock, agent = SystemClock(), Agent()
    async with RestClient(kubeconfig.load(DATA_DIR / "admin.kubeconfig"), clock) as client:
        pods = Pods(client, clock)
        watching = asyncio.ensure_future(pods.watch())
        try:
            found = await full(pods, agent, clock, given.pods)
            found += await churn(pods, agent, clock, min(given.churn, given.pods / given.rate), given.rate)
            if given.containers:
                await client.delete_collection(core_v1.Pod, "default")
                await pods.until_gone()
                found += await many(pods, agent, clock, given.containers)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=110)
    parser.add_argument("--containers", type=int, default=0)
    parser.add_argument("--churn", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=5.0)
    parser.add_argument("--port", type=int, default=16443)
    given = parser.parse_args()
    calibration = measure() / UPSTREAM_MACHINE
    with contextlib.suppress(subprocess.CalledProcessError):
        down()
    try:
        up = ["up", "--no-sample", "--data-dir", str(DATA_DIR), "--port", str(given.port)]
        subprocess.run([*SAMPAN, *up], check=True, capture_output=True)
        found = asyncio.run(rows(given))
    finally:
        down()
    show(found, calibration)


if __name__ == "__main__":
    main()
