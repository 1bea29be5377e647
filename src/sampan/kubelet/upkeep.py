"""The node's own upkeep: the cgroups of its pods, what they use, its images, and eviction, put together."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sampan.kubelet import reservations
from sampan.kubelet.cgroup.manager import CgroupError, PodCgroups
from sampan.kubelet.cgroup.names import SYSTEMD
from sampan.kubelet.cgroup.settings import UNLIMITED, of_node
from sampan.kubelet.cgroup.systemd import Slices
from sampan.kubelet.cgroup.tree import CgroupTree
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.eviction.manager import EvictionManager
from sampan.kubelet.eviction.observations import observations
from sampan.kubelet.eviction.reclaim import Reclaim
from sampan.kubelet.eviction.signals import Observation
from sampan.kubelet.eviction.thresholds import thresholds
from sampan.kubelet.imagegc import ImageCollector
from sampan.kubelet.imagevolumes import shown_images
from sampan.kubelet.stats import cgroupfiles
from sampan.kubelet.stats.claims import ClaimVolumes
from sampan.kubelet.stats.filesystems import RuntimeFilesystems
from sampan.kubelet.stats.provider import Measuring, OffLoop
from sampan.kubelet.stats.usage import DiskSpace
from sampan.kubelet.surroundings import Surroundings
from sampan.kubelet.systembus import SystemBus
from sampan.kubelet.worker import PodWorker

log = logging.getLogger(__name__)
PODS, SYSTEM, KUBE = "pods", "system-reserved", "kube-reserved"


class Upkeep:
    """`workers()` are the node's pods; `changed` is called when the node's conditions do, `event` tells of the node."""

    def __init__(
        self,
        given: Surroundings,
        *,
        workers: Callable[[], Iterable[PodWorker]],
        changed: Callable[[], None],
        event: Callable[[str, str, str], None],
        off_loop: OffLoop,
        unthrottled: Callable[[Any], bool],
    ) -> None:
        self._given = given
        self._workers = workers
        self._event = event
        self.bus = SystemBus()
        swap = given.machine.swap if given.config.swap_behavior == "LimitedSwap" else 0
        self.cgroups = pod_cgroups(given.config, self.bus, workers, unthrottled, swap)
        self.measuring = self._make_measuring(off_loop)
        self.filesystems = RuntimeFilesystems(given.runtime)
        self.collector = ImageCollector(
            given.runtime,
            given.clock,
            given.config,
            self._image_space,
            shown=lambda: shown_images(worker.pod for worker in workers()),
            event=event,
            count=lambda reason: given.instruments.collected_images.labels(reason).inc(),
        )
        self.eviction = self._make_eviction(changed)

    def _make_measuring(self, off_loop: OffLoop) -> Measuring:
        given, config = self._given, self._given.config
        return Measuring(
            given.runtime,
            given.clock,
            self.cgroups,
            self._workers,
            root=config.root,
            log_root=config.log_root,
            claims=ClaimVolumes(given.clock, given.mounter.aside),
            off_loop=off_loop,
        )

    def _make_eviction(self, changed: Callable[[], None]) -> EvictionManager:
        given, config = self._given, self._given.config
        hard, soft, grace = config.eviction_hard, config.eviction_soft, config.eviction_soft_grace
        return EvictionManager(
            given.clock,
            thresholds(
                hard, soft, grace, config.eviction_minimum_reclaim, held=PODS in config.enforce_node_allocatable
            ),
            observe=self.observe,
            measure=lambda which: self.measuring.pods(of=which),
            workers=self._workers,
            reclaim=Reclaim(given.clock, self._workers, self.collector.collect_all),
            changed=changed,
            event=self._event,
            transition=config.eviction_transition,
            longest_grace=config.eviction_max_pod_grace,
            interval=config.eviction_check,
            count=given.instruments.evictions.inc,
        )

    async def begin(self, capacity: Mapping[str, str]) -> None:
        """Makes the cgroups above the pods, held to what the node can give. A kernel that refuses is told of."""
        enforced = self._given.config.enforce_node_allocatable
        available = reservations.for_pods(self._given.config, capacity, self._given.usage().pids_most)
        try:
            await self.cgroups.begin(available if PODS in enforced else {})
            self._hold(SYSTEM, self._given.config.system_reserved_cgroup, self._given.config.system_reserved)
            self._hold(KUBE, self._given.config.kube_reserved_cgroup, self._given.config.kube_reserved)
        except (CgroupError, OSError) as error:
            log.warning("what pods may use together is not held to error=%s", error)
            self._event(
                "Warning", "FailedNodeAllocatableEnforcement", f"Failed to update Node Allocatable Limits {error}"
            )

    def _hold(self, what: str, cgroup: str, amounts: Mapping[str, str]) -> None:
        """Holds the machine's own daemons to what is reserved for them; their cgroup must be there. Raises OSError."""
        if what not in self._given.config.enforce_node_allocatable:
            return
        from sampan.api import quantity

        tree = self.cgroups.tree
        if not tree.folder("memory", cgroup).is_dir():
            raise OSError(f"{what} is to be enforced, and there is no cgroup {cgroup!r}: make it, or name another")
        tree.apply(cgroup, of_node({name: quantity.parse(amount) for name, amount in amounts.items()}))

    async def observe(self) -> dict[str, Observation]:
        """The eviction signals now."""
        image, container = await self.filesystems.look()
        pods = cgroupfiles.memory(self.cgroups.tree, self.cgroups.tier(""))
        return observations(self._given.machine, self._given.usage(), image=image, container=container, pods=pods)

    async def _image_space(self) -> DiskSpace:
        """Of the file system that images fill, which need not be the node's."""
        image, _ = await self.filesystems.look()
        if image is not None:
            return image
        usage = self._given.usage()
        return DiskSpace(capacity=usage.disk_bytes, available=usage.disk_available)

    async def close(self) -> None:
        await self.bus.close()


def pod_cgroups(
    config: KubeletConfig,
    bus: SystemBus,
    workers: Callable[[], Iterable[PodWorker]],
    unthrottled: Callable[[Any], bool],
    swap_bytes: int,
) -> PodCgroups:
    """The cgroups of the pods that are not over; `unthrottled` says of a pod that its CPU limit is not enforced, and
    `swap_bytes` how much those that may swap have together."""
    tree = CgroupTree(config.cgroup_mount)
    return PodCgroups(
        tree,
        driver=config.cgroup_driver,
        root=config.cgroup_root,
        pods=lambda: [worker.pod for worker in workers() if not worker.is_over()],
        slices=Slices(bus, tree.version) if config.cgroup_driver == SYSTEMD else None,
        pids=config.pod_pids_limit if config.pod_pids_limit > 0 else UNLIMITED,
        quota=config.cpu_cfs_quota,
        unthrottled=unthrottled,
        single_kill=config.single_process_oom_kill,
        swap_bytes=swap_bytes,
    )
