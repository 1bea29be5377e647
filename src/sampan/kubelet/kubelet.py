"""The kubelet: wires its parts together and runs them.

Order of start: the runtime's state is asked for, the node is registered, its pods and the services are listed, and
only then workers begin; they find what already runs and go on with it. What belongs to no pod is cleared after that.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.client.interface import Client
from sampan.cri.interface import Runtime
from sampan.kubelet.apiside import ApiSide
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.cpus.topology import Topology
from sampan.kubelet.description import Description
from sampan.kubelet.handlers import Handlers
from sampan.kubelet.heartbeat import Heartbeat
from sampan.kubelet.housekeeping import Housekeeping
from sampan.kubelet.imagevolumes import Views
from sampan.kubelet.kernelmessages import KernelMessages
from sampan.kubelet.machine import Machine, Usage, usage
from sampan.kubelet.nodecontext import node_context
from sampan.kubelet.noderesources import NodeResources
from sampan.kubelet.nodeserver import node_server
from sampan.kubelet.pods import PodWorkers
from sampan.kubelet.probeschedule import ProbeSchedule
from sampan.kubelet.runtimeside import RuntimeSide
from sampan.kubelet.shutdown.logind import Logind
from sampan.kubelet.shutdown.manager import ShutdownManager
from sampan.kubelet.static.node import NodeStaticPods
from sampan.kubelet.stats.provider import OffLoop
from sampan.kubelet.surroundings import surroundings
from sampan.kubelet.systembus import SystemBus
from sampan.kubelet.thisnode import ThisNode
from sampan.kubelet.verdicts import Verdicts
from sampan.kubelet.worker import PodWorker
from sampan.volumes.mounter import Mounter


async def unguarded(pod: Any, addresses: Sequence[str]) -> None:
    """Lets every pod use the network at once."""


class Kubelet:
    """`on_pod_cidr` is called with the node's pod network when it is known and when it changes; it makes the CNI
    configuration. `views` shows images as volumes; None where the runtime cannot. `mounter`, `handlers`,
    `the_machine`, `measure` and `off_loop` are for tests; None means the real ones.

    Its making is one list: each part after those it needs."""

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
        self._given = given = surroundings(
            client=client,
            runtime=runtime,
            clock=clock,
            rng=rng,
            config=config,
            mounter=mounter,
            handlers=handlers,
            the_machine=the_machine,
            measure=measure,
        )
        self._owner = TaskOwner("kubelet", clock=clock, backoff=Backoff(base=0.5, cap=30.0, rng=rng, jitter=0.2))
        self._api = ApiSide(given)
        self._probes = ProbeSchedule(clock)
        self._make_node(on_pod_cidr)
        self._runtime = RuntimeSide(given, self._api, views, changed=self.heartbeat.changed)
        self._make_resources(off_loop, the_topology)
        self._make_shutdown(Logind(SystemBus()) if logind is None else logind)
        self._make_pods(guard)
        self._make_server()
        self._make_housekeeping()

    def tell(self, type_: str, reason: str, message: str) -> None:
        """An Event of this node, of what its owner has found."""
        self._node.event(type_, reason, message)

    def _make_node(self, on_pod_cidr: Callable[[str], None]) -> None:
        given, config = self._given, self._given.config
        self._node = ThisNode(
            config.node_name,
            given.client,
            self._api.recorder,
            on_pod_cidr=on_pod_cidr,
            changed=lambda: self.heartbeat.changed(),
        )
        self._kernel = KernelMessages(self._node.event, config.kernel_messages)
        self.heartbeat = Heartbeat(
            given.client,
            given.clock,
            given.rng,
            config,
            given.machine,
            describe=lambda known: self._description.status(known),
            on_node=self._node.seen,
        )

    def _make_resources(self, off_loop: OffLoop, topology: Topology | None) -> None:
        self.resources = NodeResources(
            self._given,
            workers=self._workers,
            changed=self.heartbeat.changed,
            event=self._node.event,
            off_loop=off_loop,
            topology=topology,
        )

    def _make_shutdown(self, logind: Logind) -> None:
        given = self._given
        self.shutdown = ShutdownManager(
            given.config,
            given.clock,
            logind,
            workers=self._workers,
            changed=self.heartbeat.changed,
            told=self._api.publisher.flushed,
        )

    def _make_pods(self, guard: Callable[[Any, Sequence[str]], Awaitable[None]]) -> None:
        given = self._given
        verdicts = Verdicts(
            given,
            workers=self._workers,
            features=self._runtime.features,
            resources=self.resources,
            shutdown=self.shutdown,
            node=lambda: self._node.latest,
        )
        context = node_context(
            given,
            api=self._api,
            runtime=self._runtime,
            node=self._node,
            resources=self.resources,
            probes=self._probes,
            verdicts=verdicts,
            guard=guard,
        )
        self.pods = PodWorkers(context, self._owner)
        listed = self._api.pods.list
        self.static = NodeStaticPods(
            given.config, given.client, given.clock, self.pods, listed=listed, node=lambda: self._node.latest
        )

    def _make_server(self) -> None:
        self.server = node_server(self._given, self.pods, self.resources.upkeep, statistics=self.statistics)
        self._description = Description(
            self._given,
            runtime=self._runtime,
            resources=self.resources,
            shutdown=self.shutdown,
            server=self.server,
        )

    def _make_housekeeping(self) -> None:
        self._housekeeping = Housekeeping(
            self._given,
            api=self._api,
            runtime=self._runtime,
            resources=self.resources,
            pods=self.pods,
            static=self.static,
        )

    def _workers(self) -> Iterable[PodWorker]:
        """The node's pods, for parts that are made before these."""
        return self.pods.all()

    async def run(self) -> None:
        """Runs until cancelled; containers go on without it."""
        try:
            await self.server.start()
            await self._begin()
            await self._until_stopped()
        finally:
            await self._close()

    async def _begin(self) -> None:
        """Starts all parts, in the order they need each other."""
        api, owner = self._api, self._owner
        owner.start(self._runtime.watcher.run, name="runtime watcher", policy="restart")
        owner.start(api.publisher.run, name="pod status", policy="restart")
        owner.start(self._probes.run, name="probes", policy="restart")
        owner.start(api.services.run, name="services", policy="restart")
        await self.resources.begin()
        self.static.start(owner)
        await self.heartbeat.register()
        owner.start(self.heartbeat.run, name="heartbeat", policy="restart")
        owner.start(api.pods.run, name="pods", policy="restart")
        await api.synced()
        self.static.synced()
        api.pods.add_handler(self.static.changed)
        api.pods.add_handler(api.publisher.seen)
        self._housekeeping.start(owner)
        self.resources.start(owner)
        owner.start(self.shutdown.run, name="shutdown", policy="restart")
        self._kernel.start()

    async def _until_stopped(self) -> None:
        """Returns never; when the kubelet is stopped, its pods end first, if that is wanted."""
        try:
            await self._owner.wait()
        except asyncio.CancelledError:
            if self._given.config.shutdown_on_stop:
                await self.shutdown.end_all()
            raise

    def statistics(self) -> dict[str, Any]:
        return {
            "node": self._given.config.node_name,
            "runtime": self._runtime.watcher.statistics(),
            "heartbeat": {"renewals": self.heartbeat.renewals, "writes": self.heartbeat.writes},
            **self._api.statistics(),
            "images": self._runtime.images.statistics(),
            "probes": self._probes.statistics(),
            "pods": self.pods.statistics(),
            "eviction": self.resources.upkeep.eviction.statistics(),
            "shutdown": self.shutdown.statistics(),
        }

    async def _close(self) -> None:
        await self._owner.close()
        await self.server.close()
        await self._runtime.images.close()
        await self._api.close()
        self._housekeeping.close()
        self._kernel.close()
        await self.static.close()
        await self.resources.close()
