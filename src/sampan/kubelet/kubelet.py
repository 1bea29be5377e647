"""The kubelet: wires its parts together and runs them.

Order of start: the runtime's state is asked for, the node is registered, its pods and the services are listed, and
only then workers begin; they find what already runs and go on with it. What belongs to no pod is cleared after that.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock
from sampan.aio.inotify import FileWrites
from sampan.aio.tasks import TaskOwner
from sampan.api.kinds import core_v1, meta_v1
from sampan.client.events import EventRecorder
from sampan.client.informer import Informer
from sampan.client.interface import Client
from sampan.cri.errors import RuntimeFailure
from sampan.cri.interface import Runtime
from sampan.kubelet import dns, node, podadmission, podsecurity, reservations
from sampan.kubelet.access.delegated import Access
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.context import NodeContext
from sampan.kubelet.cpus.manager import CpuManager
from sampan.kubelet.cpus.topology import Topology, read
from sampan.kubelet.devices.node import NodeDevices
from sampan.kubelet.environment import service_variables
from sampan.kubelet.features import RuntimeFeatures
from sampan.kubelet.handlers import Handlers, NodeHandlers
from sampan.kubelet.heartbeat import Heartbeat
from sampan.kubelet.imagegc import ImageCollector
from sampan.kubelet.imagenames import with_tag
from sampan.kubelet.images import Images
from sampan.kubelet.imagevolumes import ImageVolumes, Views
from sampan.kubelet.kernelmessages import KernelMessages
from sampan.kubelet.machine import Machine, Usage, machine, usage
from sampan.kubelet.metrics.instruments import CountedRuntime, Instruments
from sampan.kubelet.nodeapi import NodeApi
from sampan.kubelet.objects import ApiObjects
from sampan.kubelet.orphans import Orphans
from sampan.kubelet.pods import PodWorkers
from sampan.kubelet.probeschedule import ProbeSchedule
from sampan.kubelet.publisher import StatusPublisher
from sampan.kubelet.pullrecords import PullRecords
from sampan.kubelet.pulls import Pulls
from sampan.kubelet.resize.decide import Refusal, judged
from sampan.kubelet.rotation import LogRotation
from sampan.kubelet.runtimeclass import handler_of
from sampan.kubelet.server import KubeletServer
from sampan.kubelet.shutdown.logind import Logind
from sampan.kubelet.shutdown.manager import ShutdownManager
from sampan.kubelet.static.node import NodeStaticPods
from sampan.kubelet.stats.provider import OffLoop
from sampan.kubelet.streaming import Streaming
from sampan.kubelet.systembus import SystemBus
from sampan.kubelet.upkeep import Upkeep
from sampan.kubelet.userids import UserIds
from sampan.kubelet.watcher import RuntimeWatcher
from sampan.volumes.mounter import KernelMounter, Mounter

log = logging.getLogger(__name__)
FEWEST_TURNS = 4
RESOLV_CONFS = (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf"))


async def unguarded(pod: Any, addresses: Sequence[str]) -> None:
    """Lets every pod use the network at once."""


class Kubelet:
    """`on_pod_cidr` is called with the node's pod network when it is known and when it changes; it makes the CNI
    configuration. `views` shows images as volumes; None where the runtime cannot. `mounter`, `handlers`,
    `the_machine`, `measure` and `off_loop` are for tests; None means the real ones."""

    def __init__(
        self,
        *,
        client: Client,
        runtime: Runtime,
        clock: Clock,
        rng: random.Random,
        config: KubeletConfig,
        on_pod_cidr: Callable[[str], None] = lambda cidr: None,
        guard: Callable[[Any, Sequence[str]], Awaitable[None]] = unguarded,
        views: Views | None = None,
        mounter: Mounter | None = None,
        handlers: Handlers | None = None,
        the_machine: Machine | None = None,
        measure: Callable[[Path], Usage] = usage,
        off_loop: OffLoop = asyncio.to_thread,
        the_topology: Topology | None = None,
        logind: Logind | None = None,
    ) -> None:
        instruments = Instruments(config.node_name, node.VERSION)
        runtime = CountedRuntime(runtime, instruments, clock.monotonic)
        self._client = client
        self._runtime = runtime
        self._clock = clock
        self._config = config
        self._on_pod_cidr = on_pod_cidr
        self._pod_cidr: str | None = None
        self._machine = the_machine or machine()
        self._measure = measure
        self._mounter = mounter or KernelMounter(clock)
        self._handlers = handlers or NodeHandlers(runtime, clock)
        self._probes = ProbeSchedule(clock)
        self._owner = TaskOwner("kubelet", clock=clock, backoff=Backoff(base=0.5, cap=30.0, rng=rng, jitter=0.2))
        self._writes: FileWrites | None = None
        self._version = ""
        self._node: Any = None
        self._kernel = KernelMessages(self._node_event, config.kernel_messages)
        self._cpus_changed = asyncio.Event()
        config.root.mkdir(parents=True, exist_ok=True)
        self._mounter.share(config.root)

        self.recorder = EventRecorder(client, "kubelet", config.node_name, clock, rng)
        self.publisher = StatusPublisher(client, clock, rng)
        self.heartbeat = Heartbeat(
            client, clock, rng, config, self._machine, describe=self._describe, on_node=self._node_seen
        )
        self.watcher = RuntimeWatcher(
            runtime,
            clock,
            rng,
            relist=config.relist,
            relist_without_events=config.relist_without_events,
            changed=self.heartbeat.changed,
        )
        objects = ApiObjects(client, clock, rng)
        self._objects = objects
        self._features = RuntimeFeatures()
        self._node_labels: Mapping[str, str] = {}
        records = PullRecords(
            config.root / "image_manager",
            clock,
            verify=config.pull_verification,
            allowed=config.preloaded_images,
        )
        pulls = Pulls(runtime, clock, parallel=1 if config.serialize_pulls else config.max_parallel_pulls)
        self.images = Images(
            runtime, objects, clock, pulls=pulls, records=records, node_credentials=config.root / "config.json"
        )
        self._image_volumes = ImageVolumes(self.images, views, self.recorder.event) if views is not None else None
        self._services: Informer[Any] = Informer(
            client, core_v1.Service, clock, rng, indexers={"namespace": lambda s: [s.metadata.namespace]}
        )
        self._pod_informer: Informer[Any] = Informer(
            client, core_v1.Pod, clock, rng, fields=f"spec.nodeName={config.node_name}"
        )
        self._capacity = node.capacity(config, self._machine, measure(config.root))
        self._allocatable = reservations.allocatable(config, self._capacity)
        self._collector = ImageCollector(
            runtime,
            clock,
            config,
            lambda: measure(config.root),
            shown=self._shown_images,
            event=self._node_event,
        )
        self.upkeep = Upkeep(
            config,
            self._machine,
            runtime,
            clock,
            workers=lambda: self.pods.all(),
            measure=lambda: measure(config.root),
            reclaim=self._collector.collect_all,
            changed=self.heartbeat.changed,
            event=self._node_event,
            off_loop=off_loop,
            unthrottled=lambda pod: self.cpus.has_exclusive(pod),
            instruments=instruments,
        )
        self.cpus = CpuManager(
            config,
            read(os.sched_getaffinity(0)) if the_topology is None else the_topology,
            device_hints=lambda container: self.devices.manager.hints(container),
            changed=self._cpus_changed.set,
        )
        self.devices = NodeDevices(
            config,
            clock,
            pods=lambda: [worker.pod for worker in self.pods.all() if not worker.is_over()],
            cpus=self.cpus.exclusive,
            shared=self.cpus.allocatable,
            changed=self.heartbeat.changed,
        )
        self._context = NodeContext(
            config=config,
            runtime=runtime,
            clock=clock,
            rng=rng,
            handlers=self._handlers,
            probes=self._probes,
            images=self.images,
            objects=objects,
            mounter=self._mounter,
            image_volumes=self._image_volumes,
            features=self._features,
            user_ids=UserIds(config.root / "pods"),
            node_labels=lambda: self._node_labels,
            recorder=self.recorder,
            publisher=self.publisher,
            watcher=self.watcher,
            instruments=instruments,
            sandbox_turns=asyncio.Semaphore(max(FEWEST_TURNS, 2 * self._machine.cpus)),
            resolver=dns.parse(read_text(config.resolv_conf or resolv_conf())),
            node_hosts=read_text(Path("/etc/hosts")),
            memory=self._machine.memory,
            allocatable=self._allocatable,
            runtime_handler=lambda pod: handler_of(pod, client),
            service_variables=self._service_variables,
            cgroups=self.upkeep.cgroups,
            devices=self.devices.manager,
            cpus=self.cpus,
            admit=self._admit,
            allocate=self._allocate,
            guard=guard,
        )
        self.pods = PodWorkers(self._context, self._owner)
        self.shutdown = ShutdownManager(
            config,
            clock,
            Logind(SystemBus()) if logind is None else logind,
            workers=self.pods.all,
            changed=self.heartbeat.changed,
        )
        self.static = NodeStaticPods(
            config, client, clock, self.pods, listed=self._pod_informer.list, node=lambda: self._node
        )
        access = Access(client, clock, config.node_name) if config.server_cert is not None else None
        streaming = Streaming(runtime, self.pods)
        api = NodeApi(
            config,
            clock,
            self._machine,
            self.pods,
            self.upkeep,
            instruments,
            measure=lambda: measure(config.root),
            statistics=self.statistics,
        )
        self.server = KubeletServer(config, clock, self.pods, access=access, streaming=streaming, api=api)
        self._orphans = Orphans(
            runtime,
            self._mounter,
            self._known_uids,
            self._image_volumes,
            root=config.root,
            log_root=config.log_root,
        )
        self._rotation = LogRotation(runtime, self.pods, config, clock, self._file_writes)

    async def run(self) -> None:
        """Runs until cancelled; containers go on without it."""
        try:
            await self.server.start()
            self._owner.start(self.watcher.run, name="runtime watcher", policy="restart")
            self._owner.start(self.publisher.run, name="pod status", policy="restart")
            self._owner.start(self._probes.run, name="probes", policy="restart")
            self._owner.start(self._services.run, name="services", policy="restart")
            await self.upkeep.begin(self._capacity)
            await self.devices.start()
            self.static.start(self._owner)
            await self.heartbeat.register()
            self._owner.start(self.heartbeat.run, name="heartbeat", policy="restart")
            self._owner.start(self._pod_informer.run, name="pods", policy="restart")
            await self._services.synced()
            await self._pod_informer.synced()
            self.static.synced()
            self._pod_informer.add_handler(self.static.changed)
            self._pod_informer.add_handler(self.publisher.seen)
            self._owner.start(self._rotation.run, name="log rotation", policy="restart")
            self._owner.start(self._housekeep, name="housekeeping", policy="restart")
            self._owner.start(self.upkeep.eviction.run, name="eviction", policy="restart")
            self._owner.start(self.shutdown.run, name="shutdown", policy="restart")
            self._kernel.start()
            if self.cpus.active:
                self._owner.start(self._move_containers, name="cpu manager", policy="restart")
            await self._until_stopped()
        finally:
            await self._close()

    async def _until_stopped(self) -> None:
        """Returns never; when the kubelet is stopped, its pods end first, if that is wanted."""
        try:
            await self._owner.wait()
        except asyncio.CancelledError:
            if self._config.shutdown_on_stop:
                await self.shutdown.end_all()
            raise

    def statistics(self) -> dict[str, Any]:
        return {
            "node": self._config.node_name,
            "runtime": self.watcher.statistics(),
            "heartbeat": {"renewals": self.heartbeat.renewals, "writes": self.heartbeat.writes},
            "status": self.publisher.statistics(),
            "events": self.recorder.statistics(),
            "images": self.images.statistics(),
            "objects": self._objects.changes.statistics(),
            "probes": self._probes.statistics(),
            "pods": self.pods.statistics(),
            "eviction": self.upkeep.eviction.statistics(),
            "shutdown": self.shutdown.statistics(),
        }

    async def _close(self) -> None:
        await self._owner.close()
        await self.server.close()
        await self.images.close()
        await self._objects.changes.close()
        await self.recorder.close()
        if self._writes is not None:
            self._writes.close()
        self._kernel.close()
        await self.static.close()
        await self.devices.close()
        await self.upkeep.close()
        if isinstance(self._handlers, NodeHandlers):
            await self._handlers.close()

    def _file_writes(self) -> FileWrites:
        if self._writes is None:
            self._writes = FileWrites()
        return self._writes

    async def _housekeep(self) -> None:
        while True:
            if self.watcher.available and self.static.sources.ready:
                try:
                    await self.images.tidy()
                    await self._orphans.clear()
                    self.upkeep.cgroups.clear(self._known_uids())
                    self.devices.manager.record.keep(self._known_uids())
                    self.cpus.keep(self._known_uids())
                    await self._collector.collect()
                except RuntimeFailure as error:
                    log.warning("housekeeping was cut short error=%s", error)
            await self._clock.sleep(self._config.housekeeping)

    async def _move_containers(self) -> None:
        """Keeps containers on their processors: at once when these change, and again once in a while."""
        while True:
            self._cpus_changed.clear()
            await self.cpus.reconcile(self.pods.all(), self._runtime)
            try:
                await self._clock.wait_for(self._cpus_changed.wait(), self._config.cpu_manager_reconcile)
            except TimeoutError:
                await self.cpus.reconcile(self.pods.all(), self._runtime, again=True)

    def _known_uids(self) -> set[str]:
        return self.pods.uids() | self.static.sources.uids() | {pod.metadata.uid for pod in self._pod_informer.list()}

    def _node_seen(self, seen: Any) -> None:
        self._node = seen
        self._node_labels = seen.metadata.labels or {}
        cidr = ",".join(seen.spec.podCIDRs or ([seen.spec.podCIDR] if seen.spec.podCIDR else [])) if seen.spec else ""
        if cidr and cidr != self._pod_cidr:
            self._pod_cidr = cidr
            self._on_pod_cidr(cidr)
            self.heartbeat.changed()

    async def _describe(self, known: Any) -> Any:
        """The node's status as it is now."""
        listed: Any = []
        not_ready = self.watcher.reason
        try:
            if not self._version:
                version = await self._runtime.version()
                self._version = f"{version.runtime_name}://{version.runtime_version}"
            listed = await self._runtime.list_images()
            status = await self._runtime.status()
            self._features.learn(status)
            failed = [c for c in status.status.conditions if not c.status]
            not_ready = "; ".join(f"container runtime {c.reason}: {c.message}" for c in failed)
        except RuntimeFailure as error:
            not_ready = not_ready or f"container runtime is down: {error}"
        return node.node_status(
            self._config,
            self._machine,
            self._measure(self._config.root),
            runtime_version=self._version or "unknown://",
            listed_images=listed,
            not_ready="node is shutting down" if self.shutdown.active else not_ready,
            port=self.server.port,
            now=self._clock.now(),
            pressures=self.upkeep.eviction.conditions,
            devices=(self.devices.manager.capacity(), self.devices.manager.allocatable()),
            features=self._features,
            known=known,
        )

    def _service_variables(self, pod: Any) -> Mapping[str, str]:
        namespace = pod.metadata.namespace
        nearby = [*self._services.index("namespace", namespace)]
        if namespace != "default":
            nearby += self._services.index("namespace", "default")
        return service_variables(nearby, namespace, links=pod.spec.enableServiceLinks is not False)

    def _admit(self, pod: Any) -> podadmission.Rejection | None:
        others = [worker.pod for worker in self.pods.all() if not worker.is_over()]
        if self.shutdown.active:
            return podadmission.Rejection("NodeShutdown", self.shutdown.refusal())
        refusal = self.devices.manager.refusal(pod)
        if refusal:
            return podadmission.Rejection("UnexpectedAdmissionError", refusal)
        there = {**self._allocatable, **self.devices.manager.allocatable()}
        judged = podadmission.judged(pod, others, there, self.upkeep.eviction.conditions)
        refused = judged or podsecurity.refused(
            pod,
            unsafe_sysctls=self._config.allowed_unsafe_sysctls,
            apparmor=self._machine.apparmor,
            groups_policy=self._features.supplemental_groups_policy(),
        )
        return refused or self.cpus.admit(pod)

    def _allocate(self, pod: Any) -> Refusal | None:
        uid = pod.metadata.uid
        others = [worker.pod for worker in self.pods.all() if worker.uid != uid and not worker.is_over()]
        return judged(pod, others, self._allocatable, exclusive_cpus=self.cpus.has_exclusive(pod))

    def _shown_images(self) -> set[str]:
        """The images that pods show as volumes, by the names they give them."""
        volumes = [volume for worker in self.pods.all() for volume in worker.pod.spec.volumes or ()]
        return {with_tag(volume.image.reference) for volume in volumes if volume.image and volume.image.reference}

    def _node_event(self, type_: str, reason: str, message: str) -> None:
        """An event on the node."""
        named = core_v1.Node(metadata=meta_v1.ObjectMeta(name=self._config.node_name, uid=self._config.node_name))
        self.recorder.event(named, type_, reason, message)


def resolv_conf() -> Path:
    """The stub that systemd-resolved puts into /etc/resolv.conf cannot be reached from a pod."""
    return next((path for path in RESOLV_CONFS if path.exists()), RESOLV_CONFS[-1])


def read_text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
