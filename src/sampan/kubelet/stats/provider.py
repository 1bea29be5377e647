"""Measuring: nothing here runs unless somebody asks, and what was measured stands for some seconds.

Containers' writable layers come from the runtime, which counts them by itself; all else from cgroups and folders. The
folders of pods are walked in a thread, and only those of the pods that are asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sampan.aio.clock import Clock, parse_timestamp
from sampan.cri.errors import RuntimeFailure
from sampan.cri.interface import Runtime
from sampan.kubelet.cgroup.manager import PodCgroups
from sampan.kubelet.containerconfig import pod_log_folder
from sampan.kubelet.observed import Container
from sampan.kubelet.stats import cgroupfiles, disk, interfaces
from sampan.kubelet.stats.claims import ClaimVolumes
from sampan.kubelet.stats.rates import Rates
from sampan.kubelet.stats.usage import ContainerUse, DiskSpace, PodUse

LENT = ("etc-hosts", "containers")
COUNTED_VOLUMES = {
    "emptyDir": "kubernetes.io~empty-dir",
    "configMap": "kubernetes.io~configmap",
    "secret": "kubernetes.io~secret",
    "downwardAPI": "kubernetes.io~downward-api",
    "projected": "kubernetes.io~projected",
}
"""What lies on the node's own disk, and in which folder. Others are not looked at: their server may not answer."""
OffLoop = Callable[..., Awaitable[Any]]
"""Calls a function with its arguments where it does not hold up the event loop: `asyncio.to_thread`."""


class Measuring:
    """`workers()` are the pods with what was seen of each (`pod`, `seen`) and what they have (`volumes`)."""

    def __init__(
        self,
        runtime: Runtime,
        clock: Clock,
        cgroups: PodCgroups,
        workers: Callable[[], Iterable[Any]],
        *,
        root: Path,
        log_root: Path,
        claims: ClaimVolumes,
        off_loop: OffLoop = asyncio.to_thread,
    ) -> None:
        self._runtime = runtime
        self._clock = clock
        self._cgroups = cgroups
        self._workers = workers
        self._root = root
        self._log_root = log_root
        self._off_loop = off_loop
        self.claims = claims
        self.rates = Rates(clock)

    async def pods(
        self,
        *,
        disks: bool = True,
        layers: bool = False,
        claims: bool = False,
        of: Callable[[Any], bool] = lambda pod: True,
    ) -> list[PodUse]:
        """What each pod uses that `of` lets through; `disks` False walks no folder, and asks the runtime for `layers`
        and how they are limited alone; `claims` says how full the volumes behind claims are, too."""
        chosen = [worker for worker in self._workers() if of(worker.pod)]
        writable = await self._writable_layers() if (disks or layers) and chosen else {}
        self.rates.forget_old()
        found = [self._pod(worker, writable, layers) for worker in chosen]
        if claims:
            found = [
                replace(use, claims=await self.claims.of(worker.pod, worker.volumes))
                for use, worker in zip(found, chosen, strict=True)
            ]
        return await self._off_loop(self._with_folders, found) if disks else found

    async def _writable_layers(self) -> Mapping[str, DiskSpace]:
        """By container id; empty when the runtime is away."""
        try:
            listed = await self._runtime.container_stats()
        except RuntimeFailure:
            return {}
        return {
            entry.attributes.id: DiskSpace(
                used=entry.writable_layer.used_bytes.value, inodes_used=entry.writable_layer.inodes_used.value
            )
            for entry in listed
        }

    def _pod(self, worker: Any, layers: Mapping[str, DiskSpace], whole: bool) -> PodUse:
        tree, name = self._cgroups.tree, self._cgroups.name(worker.pod)
        alive = [c for c in worker.seen.latest.values() if c.state == "running"]
        containers = tuple(self._container(worker.pod, c, layers.get(c.id), whole) for c in alive)
        return PodUse(
            pod=worker.pod,
            cgroup=name,
            cpu=self.rates.of(name, cgroupfiles.cpu(tree, name)),
            memory=cgroupfiles.memory(tree, name),
            processes=cgroupfiles.processes(tree, name),
            interfaces=() if worker.pod.spec.hostNetwork else self._interfaces(containers),
            containers=containers,
        )

    def _container(self, pod: Any, container: Container, layer: DiskSpace | None, whole: bool) -> ContainerUse:
        tree, name = self._cgroups.tree, self._cgroups.container(pod, container.id)
        return ContainerUse(
            name=container.name,
            id=container.id,
            cgroup=name,
            image=container.image,
            started=container.started,
            cpu=self.rates.of(name, cgroupfiles.cpu(tree, name)),
            memory=cgroupfiles.memory(tree, name),
            limits=cgroupfiles.cpu_limits(tree, name) if whole else None,
            blocks={disk.device(d): b for d, b in cgroupfiles.blocks(tree, name).items()} if whole else {},
            writable=layer,
            processes=cgroupfiles.processes(tree, name),
            threads_most=cgroupfiles.most_processes(tree, name),
            oom_kills=cgroupfiles.oom_kills(tree, name),
        )

    def _interfaces(self, containers: Iterable[ContainerUse]) -> Any:
        """All containers of a pod share its network: any process will do."""
        for container in containers:
            for pid in cgroupfiles.pids(self._cgroups.tree, container.cgroup)[:1]:
                return interfaces.of_process(pid)
        return ()

    def _with_folders(self, pods: list[PodUse]) -> list[PodUse]:
        return [self._with_folder(pod) for pod in pods]

    def _with_folder(self, use: PodUse) -> PodUse:
        logs = pod_log_folder(use.pod, self._log_root)
        containers = tuple(replace(c, logs=disk.measured(logs / c.name)) for c in use.containers)
        return replace(use, containers=containers, volumes=self._volumes(use.pod), lent=self._lent(use.pod))

    def _lent(self, pod: Any) -> DiskSpace:
        counted = [disk.folder(self._root / "pods" / pod.metadata.uid / name) for name in LENT]
        return DiskSpace(used=sum(used for used, _ in counted), inodes_used=sum(inodes for _, inodes in counted))

    def _volumes(self, pod: Any) -> dict[str, DiskSpace]:
        folder = self._root / "pods" / pod.metadata.uid / "volumes"
        found = {}
        for volume in pod.spec.volumes or ():
            for source, plugin in COUNTED_VOLUMES.items():
                if getattr(volume, source) is not None and (folder / plugin / volume.name).exists():
                    found[volume.name] = disk.measured(folder / plugin / volume.name)
        return found


def started_at(pod: Any) -> float:
    """When the pod was first seen here; 0.0 before."""
    start = pod.status.startTime if pod.status else None
    return parse_timestamp(start) if start else 0.0
