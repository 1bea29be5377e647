"""Housekeeping: once in a while, what no pod needs any more is given back; and logs are kept small."""

from __future__ import annotations

import logging

from sampan.aio.inotify import FileWrites
from sampan.aio.tasks import TaskOwner
from sampan.cri.errors import RuntimeFailure
from sampan.kubelet.apiside import ApiSide
from sampan.kubelet.noderesources import NodeResources
from sampan.kubelet.orphans import Orphans
from sampan.kubelet.pods import PodWorkers
from sampan.kubelet.rotation import LogRotation
from sampan.kubelet.runtimeside import RuntimeSide
from sampan.kubelet.static.node import NodeStaticPods
from sampan.kubelet.surroundings import Surroundings

log = logging.getLogger(__name__)
AGAIN = 5.0
"""Seconds until the next look when the runtime was away, or what static pods there are was not known."""


class Housekeeping:
    """Waits with it until the runtime is there and the static pods are known."""

    def __init__(
        self,
        given: Surroundings,
        *,
        api: ApiSide,
        runtime: RuntimeSide,
        resources: NodeResources,
        pods: PodWorkers,
        static: NodeStaticPods,
    ) -> None:
        config = given.config
        self._given = given
        self._api = api
        self._runtime = runtime
        self._resources = resources
        self._pods = pods
        self._static = static
        self._writes: FileWrites | None = None
        self._orphans = Orphans(
            given.runtime,
            given.mounter,
            self._known_uids,
            runtime.image_volumes,
            root=config.root,
            log_root=config.log_root,
        )
        self._rotation = LogRotation(given.runtime, pods, config, given.clock, self._file_writes)

    def start(self, owner: TaskOwner) -> None:
        owner.start(self._rotation.run, name="log rotation", policy="restart")
        owner.start(self._run, name="housekeeping", policy="restart")

    def close(self) -> None:
        if self._writes is not None:
            self._writes.close()

    async def _run(self) -> None:
        clock, seconds = self._given.clock, self._given.config.housekeeping
        while True:
            await clock.sleep(seconds if await self._done() else min(AGAIN, seconds))

    async def _done(self) -> bool:
        """Whether everything was cleared; if not, it is tried again soon."""
        if not (self._runtime.watcher.available and self._static.sources.ready):
            return False
        try:
            await self._clear()
        except RuntimeFailure as error:
            log.warning("housekeeping was cut short error=%s", error)
            return False
        return True

    async def _clear(self) -> None:
        """Clears once; raises RuntimeFailure."""
        await self._runtime.images.tidy()
        await self._orphans.clear()
        self._resources.keep(self._known_uids())
        await self._resources.upkeep.collector.collect()

    def _known_uids(self) -> set[str]:
        listed = {pod.metadata.uid for pod in self._api.pods.list()}
        return self._pods.uids() | self._static.sources.uids() | listed

    def _file_writes(self) -> FileWrites:
        if self._writes is None:
            self._writes = FileWrites()
        return self._writes
