"""What the node has for its pods, and how it is kept: memory, disk and process ids, processors, devices."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sampan.aio.tasks import TaskOwner
from sampan.kubelet import node, reservations
from sampan.kubelet.cpus.node import NodeCpus
from sampan.kubelet.cpus.topology import Topology
from sampan.kubelet.devices.node import NodeDevices
from sampan.kubelet.stats.provider import OffLoop
from sampan.kubelet.surroundings import Surroundings
from sampan.kubelet.upkeep import Upkeep
from sampan.kubelet.worker import PodWorker


class NodeResources:
    """`workers()` are the node's pods; `changed` is called when the node's status does, `event` tells of the node.

    `capacity` is all there is and `allocatable` what pods may have of it, both without the devices of plugins.
    """

    def __init__(
        self,
        given: Surroundings,
        *,
        workers: Callable[[], Iterable[PodWorker]],
        changed: Callable[[], None],
        event: Callable[[str, str, str], None],
        off_loop: OffLoop,
        topology: Topology | None,
    ) -> None:
        self.capacity = node.capacity(given.config, given.machine, given.usage())
        self.allocatable = reservations.allocatable(given.config, self.capacity)
        self.upkeep = Upkeep(
            given,
            workers=workers,
            changed=changed,
            event=event,
            off_loop=off_loop,
            unthrottled=lambda pod: self.cpus.manager.has_exclusive(pod),
        )
        self.cpus = NodeCpus(
            given,
            topology,
            workers=workers,
            device_hints=lambda container: self.devices.manager.hints(container),
        )
        self.devices = NodeDevices(
            given.config,
            given.clock,
            pods=lambda: [worker.pod for worker in workers() if not worker.is_over()],
            cpus=self.cpus.manager.exclusive,
            shared=self.cpus.manager.allocatable,
            changed=changed,
        )

    async def begin(self) -> None:
        """Before the first pod runs."""
        await self.upkeep.begin(self.capacity)
        await self.devices.start()

    def start(self, owner: TaskOwner) -> None:
        """Once the pods are known."""
        owner.start(self.upkeep.eviction.run, name="eviction", policy="restart")
        self.cpus.start(owner)

    def keep(self, uids: set[str]) -> None:
        """Takes back what all other pods had."""
        self.upkeep.cgroups.clear(uids)
        self.devices.manager.record.keep(uids)
        self.cpus.manager.keep(uids)

    async def close(self) -> None:
        await self.devices.close()
        await self.upkeep.close()
