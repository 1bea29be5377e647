"""What the node's server answers with, beside logs and streams: pods, measurements, metrics, the configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
from aiohttp import web
from prometheus_client import generate_latest

from sampan.aio.clock import Clock
from sampan.kubelet import zpages
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.configuration.load import shown
from sampan.kubelet.machine import Machine, Usage
from sampan.kubelet.metrics import cadvisor, exposition, probes, resource
from sampan.kubelet.metrics import volumes as volume_metrics
from sampan.kubelet.metrics.instruments import Instruments
from sampan.kubelet.node import VERSION
from sampan.kubelet.pods import PodWorkers
from sampan.kubelet.spec import ephemeral_containers
from sampan.kubelet.stats import cgroupfiles, disk, interfaces, node
from sampan.kubelet.stats.summary import NodeUse, summary
from sampan.kubelet.stats.usage import CpuUse, DiskSpace, MemoryUse
from sampan.kubelet.upkeep import Upkeep

STATIC = {"true": True, "false": False}
PLAIN = "text/plain; version=0.0.4; charset=utf-8"


class NodeApi:
    """`measure()` is the machine's usage, `statistics()` what the kubelet's parts tell of themselves."""

    def __init__(
        self,
        config: KubeletConfig,
        clock: Clock,
        machine: Machine,
        pods: PodWorkers,
        upkeep: Upkeep,
        instruments: Instruments,
        *,
        measure: Callable[[], Usage],
        statistics: Callable[[], dict[str, Any]],
    ) -> None:
        self._config = config
        self._clock = clock
        self._began = clock.now()
        self._machine = machine
        self._pods = pods
        self._upkeep = upkeep
        self.instruments = instruments
        self._measure = measure
        self._statistics = statistics
        self.routes: list[tuple[str, str, Any]] = [
            ("GET", "/pods", self._list_pods),
            ("GET", "/runningpods/", self._running_pods),
            ("GET", "/stats/summary", self._summary),
            ("GET", "/metrics", self._metrics),
            ("GET", "/metrics/resource", self._resource),
            ("GET", "/metrics/cadvisor", self._cadvisor),
            ("GET", "/metrics/probes", self._probes),
            ("GET", "/metrics/slis", self._indicators),
            ("GET", "/configz", self._configz),
            ("GET", "/statusz", self._statusz),
            ("GET", "/flagz", self._flagz),
        ]
        self._gauges()

    async def _list_pods(self, _: web.Request) -> web.Response:
        return answer(pod_list([msgspec.to_builtins(worker.pod) for worker in self._pods.all()]))

    async def _running_pods(self, _: web.Request) -> web.Response:
        """Those the runtime has something running of, with no more than it knows of them."""
        alive = [worker for worker in self._pods.all() if worker.seen.any_alive]
        return answer(pod_list([running(worker) for worker in alive]))

    async def _summary(self, request: web.Request) -> web.Response:
        only_cpu = request.query.get("only_cpu_and_memory", "").lower() == "true"
        pods = await self._upkeep.measuring.pods(disks=not only_cpu, claims=not only_cpu)
        return answer(summary(await self._node(), pods, self._clock.now()))

    async def _metrics(self, _: web.Request) -> web.Response:
        workers, volumes = list(self._pods.all()), self._upkeep.measuring.claims
        claimed = [(worker.pod, await volumes.of(worker.pod, worker.volumes)) for worker in workers]
        families = [volume_metrics.numbers(workers), *volume_metrics.claimed(claimed), *self.instruments.families()]
        return text(generate_latest(self.instruments.registry) + exposition.text(families).encode())

    async def _resource(self, _: web.Request) -> web.Response:
        pods = await self._upkeep.measuring.pods(disks=False)
        found = resource.families(node.cpu(), node.memory(), pods, self._clock.now())
        return text(exposition.text(found).encode())

    async def _cadvisor(self, _: web.Request) -> web.Response:
        pods = await self._upkeep.measuring.pods(disks=False, layers=True)
        found = cadvisor.families(pods, self._whole_node(), self._clock.now())
        return text(exposition.text(found).encode())

    def _whole_node(self) -> cadvisor.WholeNode:
        machine, root = self._machine, disk.file_system(self._config.root)
        return cadvisor.WholeNode(
            cpus=machine.cpus,
            cores=machine.cores,
            sockets=machine.sockets,
            memory_bytes=machine.memory,
            swap_bytes=machine.swap,
            kernel=machine.kernel,
            os=machine.os_image,
            cpu=node.cpu(),
            memory=node.memory(),
            interfaces=interfaces.of_process(1),
            space={disk.device_of(self._config.root): root} if root is not None else {},
        )

    async def _probes(self, _: web.Request) -> web.Response:
        return text(exposition.text(probes.families(self._pods.all())).encode())

    async def _indicators(self, _: web.Request) -> web.Response:
        return text(exposition.text(self.instruments.indicators()).encode())

    async def _configz(self, _: web.Request) -> web.Response:
        return answer({"kubeletconfig": shown(self._config)})

    async def _statusz(self, request: web.Request) -> web.Response:
        paths = [resource.canonical for resource in request.app.router.resources()]
        now, statistics = self._clock.now(), self._statistics()
        return web.Response(
            text=zpages.statusz(version=VERSION, started=self._began, now=now, paths=paths, statistics=statistics)
        )

    async def _flagz(self, _: web.Request) -> web.Response:
        return web.Response(text=zpages.flagz(shown(self._config)))

    async def _node(self) -> NodeUse:
        image, container = await self._upkeep.filesystems.look()
        taken, inodes = await self._upkeep.filesystems.image_bytes()
        usage, rates = self._measure(), self._upkeep.measuring.rates
        return NodeUse(
            name=self._config.node_name,
            booted=node.booted(),
            memory=self._machine.memory,
            swap=node.swap_left(),
            cpu=rates.of("/", node.cpu()),
            used=node.memory(),
            space=disk.file_system(self._config.root),
            images=with_use(image, taken, inodes),
            containers=container,
            interfaces=interfaces.of_process(1),
            pids=usage.pids,
            pids_most=usage.pids_most,
            system=self._system(),
        )

    def _system(self) -> dict[str, tuple[CpuUse | None, MemoryUse | None]]:
        """The cgroup over all pods, and those of the machine's daemons where they were named."""
        tree = self._upkeep.cgroups.tree
        named = {
            "pods": self._upkeep.cgroups.tier(""),
            "kubelet": self._config.kube_reserved_cgroup,
            "misc": self._config.system_reserved_cgroup,
        }
        return {
            name: (self._upkeep.measuring.rates.of(path, cgroupfiles.cpu(tree, path)), cgroupfiles.memory(tree, path))
            for name, path in named.items()
            if path
        }

    def _gauges(self) -> None:
        made = self.instruments.gauge
        made("kubelet_running_pods", "Number of pods that have a running pod sandbox", "", {"": self._sandboxes})
        states = {state: partial(self._containers, state) for state in ("created", "running", "exited", "unknown")}
        made("kubelet_running_containers", "Number of containers currently running", "container_state", states)
        wanted = {word: partial(self._count, static, False) for word, static in STATIC.items()}
        made("kubelet_desired_pods", "The number of pods the kubelet is being instructed to run.", "static", wanted)
        active = {word: partial(self._count, static, True) for word, static in STATIC.items()}
        made("kubelet_mirror_pods", "The number of mirror pods the kubelet will try to create", "", {"": self._static})
        about = "Current number of ephemeral containers in pods managed by this kubelet."
        made("kubelet_managed_ephemeral_containers", about, "", {"": self._ephemeral})
        made("kubelet_active_pods", "The number of pods the kubelet considers active.", "static", active)

    def _sandboxes(self) -> int:
        return sum(sandbox.ready for worker in self._pods.all() for sandbox in worker.seen.sandboxes)

    def _containers(self, state: str) -> int:
        return sum(container.state == state for worker in self._pods.all() for container in worker.seen.containers)

    def _static(self) -> int:
        return self._count(True, False)

    def _ephemeral(self) -> int:
        return sum(len(ephemeral_containers(worker.pod)) for worker in self._pods.all())

    def _count(self, static: bool, active: bool) -> int:
        return sum(w.is_static is static and not (active and w.is_over()) for w in self._pods.all())


def pod_list(items: list[Any]) -> dict[str, Any]:
    return {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}


def running(worker: Any) -> dict[str, Any]:
    meta = worker.pod.metadata
    alive = [c for c in worker.seen.containers if c.alive]
    return {
        "metadata": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
        "spec": {"containers": [{"name": c.name, "image": c.image, "resources": {}} for c in alive]},
        "status": {},
    }


def with_use(space: DiskSpace | None, used: int, inodes: int) -> DiskSpace | None:
    """A file system, with what images take of it as what is used."""
    return replace(space, used=used, inodes_used=inodes) if space is not None else None


def answer(body: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


def text(body: bytes) -> web.Response:
    return web.Response(body=body, headers={"Content-Type": PLAIN})
