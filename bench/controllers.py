"""What the controllers cost: seconds, API calls and CPU per pod, against an API server of its own and simulated nodes.

usage: bench/controllers.py [--pods N] [--deployments N] [--nodes N] [--rows one,roll,many,job,namespace]

Rows: one Deployment of N pods created; the same rolled over; many Deployments of ten; an indexed Job of N; a namespace
of N config maps deleted. The API server runs in a process of its own; the controllers share theirs with nothing but
their client, the nodes run in a third. Only calls that write are counted.

The column `upstream` is the least that kube-controller-manager v1.36 can make for this work, by what its controllers
do: `bench/upstream.py` says how that is counted. Both columns count every write, events included (those that are still
queued when a row is done are waited for).
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import multiprocessing
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import upstream

from sampan.aio.clock import SystemClock
from sampan.api.errors import ApiError
from sampan.api.kinds import apps_v1, batch_v1, core_v1, meta_v1
from sampan.client.config import ClientConfig
from sampan.client.errors import Unreachable
from sampan.client.informer import Informer
from sampan.client.rest import RestClient
from sampan.controllers.manager import ControllerManager
from sampan.testing.nodes import Behaviour, SimulatedNodes

TOKEN = "bench"
QUIET_SECONDS = 11.0
WRITES = ("POST", "PUT", "PATCH", "DELETE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pods", type=int, default=1000)
    parser.add_argument("--deployments", type=int, default=100)
    parser.add_argument("--nodes", type=int, default=10)
    parser.add_argument("--rows", default="one,roll,many,job,namespace")
    parser.add_argument("--calls", action="store_true", help="print below each row what the calls were")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sampan-bench-") as data:
        server, config = start_server(Path(data))
        nodes = multiprocessing.get_context("spawn").Process(target=run_nodes, args=(config, options.nodes))
        nodes.start()
        try:
            asyncio.run(measure(config, options))
        finally:
            nodes.terminate()
            nodes.join()
            server.send_signal(signal.SIGTERM)
            server.wait(20)


def start_server(data: Path) -> tuple[subprocess.Popen[bytes], ClientConfig]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    tokens = data / "tokens.csv"
    tokens.write_text(f'{TOKEN},admin,1,"system:masters"\n')
    command = [sys.executable, "-m", "sampan", "apiserver", "--data-dir", str(data), "--port", str(port)]
    with (data / "log").open("wb") as log:
        server = subprocess.Popen([*command, "--token-auth-file", str(tokens)], stdout=log, stderr=log)
    return server, ClientConfig(server=f"https://127.0.0.1:{port}", token=TOKEN, insecure_skip_tls_verify=True)


def run_nodes(config: ClientConfig, count: int) -> None:
    async def run() -> None:
        async with RestClient(config, SystemClock()) as client:
            await until_ready(client)
            names = [f"n{number}" for number in range(count)]
            at_once = Behaviour(start_seconds=0, stop_seconds=0)
            nodes = SimulatedNodes(client, SystemClock(), random.Random(1), names, behaviour=at_once, bind=True)
            await nodes.run()

    asyncio.run(run())


async def until_ready(client: RestClient) -> None:
    for _ in range(300):
        try:
            await client.raw("GET", "/readyz")
            return
        except (ApiError, Unreachable):
            await asyncio.sleep(0.1)
    raise SystemExit("the API server did not become ready")


class Counted(RestClient):
    """A client that counts its writes by method and resource."""

    def __init__(self, config: ClientConfig, clock: SystemClock) -> None:
        super().__init__(config, clock)
        self.calls: Counter[str] = Counter()

    async def raw(self, method: str, path: str, body: Any = None, **options: Any) -> bytes:
        if method in WRITES:
            self.calls[f"{method} {resource_of(path)}"] += 1
        return await super().raw(method, path, body, **options)


def resource_of(path: str) -> str:
    """`deployments`, `deployments/status`: the resource that a request's path names."""
    parts = path.partition("?")[0].split("/")[3 if path.startswith("/api/") else 4 :]
    if parts[0] == "namespaces" and len(parts) > 2 and parts[2] not in ("status", "finalize"):
        parts = parts[2:]
    return "/".join([parts[0], *parts[2:]])


class Bench:
    """The controllers under measurement, and the informers that tell when a row is done."""

    def __init__(self, user: RestClient, ours: Counted, manager: ControllerManager, show_calls: bool) -> None:
        self.user = user
        self.manager = manager
        self.ours = ours
        self.show_calls = show_calls
        clock, rng = SystemClock(), random.Random(1)
        self.deployments: Informer[Any] = Informer(user, apps_v1.Deployment, clock, rng)
        self.jobs: Informer[Any] = Informer(user, batch_v1.Job, clock, rng)
        self.namespaces: Informer[Any] = Informer(user, core_v1.Namespace, clock, rng)

    async def row(
        self,
        what: str,
        pods: int,
        upstream: int,
        done: Callable[[], bool],
        start: Callable[[], Awaitable[Any]],
    ) -> None:
        """Waits for `start`, then until `done`, then prints the row; `upstream` is its least number of calls."""
        await self.quiet()
        started, cpu, before = time.monotonic(), cpu_seconds(), self.ours.calls.copy()
        await start()
        await polled(done)
        seconds = time.monotonic() - started
        await polled(lambda: not any(recorder["queued"] for recorder in self.manager.statistics()["events"].values()))
        calls = self.ours.calls - before
        used, made = cpu_seconds() - cpu, calls.total()
        memory = resident_megabytes()
        a_pod = f"{made / pods:10.4f} {upstream / pods:9.4f}"
        figures = f"{made:8} {upstream:9} {a_pod} {1000 * used / pods:10.2f} {memory:8.0f}"
        print(f"{what:44} {seconds:8.2f} {figures}", flush=True)
        if self.show_calls:
            print("   ", ", ".join(f"{call} {count}" for call, count in calls.most_common()), flush=True)

    async def quiet(self) -> None:
        """Until what follows the row before, such as the last pods' ends, has been written."""
        before = -1
        while before != self.ours.calls.total():
            before = self.ours.calls.total()
            await asyncio.sleep(QUIET_SECONDS)


async def polled(done: Callable[[], bool]) -> None:
    """A look costs nothing: it reads what the informers know."""
    while not done():  # noqa: ASYNC110
        await asyncio.sleep(0.02)


@asynccontextmanager
async def running(config: ClientConfig, show_calls: bool) -> AsyncIterator[Bench]:
    clock = SystemClock()
    async with Counted(config, clock) as ours, RestClient(config, clock) as user:
        await until_ready(user)
        manager = ControllerManager(ours, clock, random.Random(1))
        bench = Bench(user, ours, manager, show_calls)
        informers = (bench.deployments, bench.jobs, bench.namespaces)
        tasks = [asyncio.create_task(one()) for one in (manager.run, *(informer.run for informer in informers))]
        for informer in informers:
            await informer.synced()
        await asyncio.sleep(3)
        try:
            yield bench
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def measure(config: ClientConfig, options: argparse.Namespace) -> None:
    rows = options.rows.split(",")
    async with running(config, options.calls) as bench:
        calls = f"{'calls':>8} {'upstream':>9} {'calls/pod':>10} {'upstream':>9}"
        print(f"{'what':44} {'seconds':>8} {calls} {'CPU ms/pod':>10} {'RSS MB':>8}")
        if "one" in rows or "roll" in rows:
            await bench.row(
                f"Deployment of {options.pods}",
                options.pods,
                upstream.created(options.pods),
                lambda: complete(bench, "one"),
                start=lambda: bench.user.create(deployment("one", options.pods, "x:1")),
            )
        if "roll" in rows:
            patch = {"spec": {"template": {"metadata": {"annotations": {"rolled": "1"}}}}}

            async def roll() -> None:
                await bench.user.patch(apps_v1.Deployment, "one", "default", patch)
                await polled(lambda: not complete(bench, "one"))

            await bench.row(
                "the same rolled over",
                options.pods,
                upstream.rolled(options.pods),
                lambda: complete(bench, "one"),
                start=roll,
            )
        if "many" in rows:
            await many(bench, options.deployments)
        if "job" in rows:
            await job(bench, options.pods)
        if "namespace" in rows:
            await namespace(bench, options.pods)


async def many(bench: Bench, count: int) -> None:
    names = [f"many-{number}" for number in range(count)]
    await bench.row(
        f"{count} Deployments of 10",
        10 * count,
        count * upstream.created(10),
        lambda: all(complete(bench, name) for name in names),
        start=lambda: in_turn(bench.user, (deployment(name, 10, "x:1") for name in names)),
    )


async def job(bench: Bench, count: int) -> None:
    """The pods are ended by this program, the nodes being told nothing of ends."""
    spec = batch_v1.JobSpec(
        completions=count, parallelism=min(count, 500), completionMode="Indexed", template=template()
    )
    spec.template.spec.restartPolicy = "Never"
    wanted = batch_v1.Job(metadata=meta_v1.ObjectMeta(name="job", namespace="default"), spec=spec)
    pods: Informer[Any] = Informer(
        bench.user, core_v1.Pod, SystemClock(), random.Random(1), "default", labels="job-name=job"
    )
    queue: asyncio.Queue[str] = asyncio.Queue()
    pods.add_handler(lambda old, new: new and new.status.phase == "Running" and queue.put_nowait(new.metadata.name))

    async def finisher() -> None:
        while True:
            name = await queue.get()
            done = {"status": {"phase": "Succeeded"}}
            await bench.user.patch(core_v1.Pod, name, "default", done, subresource="status")

    tasks = [asyncio.create_task(pods.run()), *(asyncio.create_task(finisher()) for _ in range(8))]
    await bench.row(
        f"Job of {count}",
        count,
        upstream.job(count),
        lambda: job_done(bench) and not held(pods),
        start=lambda: bench.user.create(wanted),
    )
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def held(pods: Informer[Any]) -> bool:
    """Whether a pod still carries the finalizer by which it is counted."""
    return any(pod.metadata.finalizers for pod in pods.list())


def job_done(bench: Bench) -> bool:
    found = bench.jobs.get("default/job")
    return found is not None and any(c.type == "Complete" for c in (found.status and found.status.conditions) or ())


async def namespace(bench: Bench, count: int) -> None:
    await bench.user.create(core_v1.Namespace(metadata=meta_v1.ObjectMeta(name="full")))
    metas = (meta_v1.ObjectMeta(name=f"c{number}", namespace="full") for number in range(count))
    await in_turn(bench.user, (core_v1.ConfigMap(metadata=meta) for meta in metas))
    await bench.row(
        f"a namespace of {count} objects deleted",
        count,
        upstream.namespace(),
        lambda: bench.namespaces.get("full") is None,
        start=lambda: bench.user.delete(core_v1.Namespace, "full"),
    )


async def in_turn(client: RestClient, objects: Iterable[Any]) -> None:
    """Creates them, fifty at a time: each call at once has a connection of its own."""
    waiting = iter(objects)
    while chunk := list(itertools.islice(waiting, 50)):
        await asyncio.gather(*(client.create(one) for one in chunk))


def template() -> Any:
    container = core_v1.Container(name="x", image="x:1")
    labels = meta_v1.ObjectMeta(labels={"app": "x"})
    return core_v1.PodTemplateSpec(metadata=labels, spec=core_v1.PodSpec(containers=[container]))


def deployment(name: str, replicas: int, image: str) -> Any:
    made = template()
    made.metadata.labels = {"app": name}
    selector = meta_v1.LabelSelector(matchLabels={"app": name})
    return apps_v1.Deployment(
        metadata=meta_v1.ObjectMeta(name=name, namespace="default"),
        spec=apps_v1.DeploymentSpec(replicas=replicas, selector=selector, template=made),
    )


def complete(bench: Bench, name: str) -> bool:
    found = bench.deployments.get(f"default/{name}")
    status = found.status if found is not None else None
    if status is None or status.observedGeneration != found.metadata.generation:
        return False
    wanted = found.spec.replicas
    return status.updatedReplicas == status.replicas == status.availableReplicas == wanted


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident_megabytes() -> float:
    pages = int(Path(f"/proc/{os.getpid()}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
