"""The processors of one kubelet: the manager, and the task that moves containers to what they are to have."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from typing import Any

from sampan.aio.tasks import TaskOwner
from sampan.kubelet.cpus.hints import Hint
from sampan.kubelet.cpus.manager import CpuManager
from sampan.kubelet.cpus.topology import Topology, read
from sampan.kubelet.surroundings import Surroundings
from sampan.kubelet.worker import PodWorker


class NodeCpus:
    """`topology` is for tests; None means the machine's own."""

    def __init__(
        self,
        given: Surroundings,
        topology: Topology | None,
        *,
        workers: Callable[[], Iterable[PodWorker]],
        device_hints: Callable[[Any], list[list[Hint]]],
    ) -> None:
        self._given = given
        self._workers = workers
        self._changed = asyncio.Event()
        self.manager = CpuManager(
            given.config,
            read(os.sched_getaffinity(0)) if topology is None else topology,
            device_hints=device_hints,
            changed=self._changed.set,
        )

    def start(self, owner: TaskOwner) -> None:
        if self.manager.active:
            owner.start(self._run, name="cpu manager", policy="restart")

    async def _run(self) -> None:
        """Keeps containers on their processors: at once when these change, and again once in a while."""
        runtime, seconds = self._given.runtime, self._given.config.cpu_manager_reconcile
        while True:
            self._changed.clear()
            await self.manager.reconcile(self._workers(), runtime)
            try:
                await self._given.clock.wait_for(self._changed.wait(), seconds)
            except TimeoutError:
                await self.manager.reconcile(self._workers(), runtime, again=True)
