"""The static pods of one kubelet: its sources, the workers they have, their mirrors in the API, put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.client.interface import Client
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.pods import PodWorkers
from sampan.kubelet.static.manager import StaticPods
from sampan.kubelet.static.marks import is_mirror
from sampan.kubelet.static.mirrors import Mirrors, named


class NodeStaticPods:
    """`listed()` are the pods of this node in the API, `node()` its Node there; None before it is known."""

    def __init__(
        self,
        config: KubeletConfig,
        client: Client,
        clock: Clock,
        workers: PodWorkers,
        *,
        listed: Callable[[], Iterable[Any]],
        node: Callable[[], Any],
    ) -> None:
        self._workers = workers
        self._listed = listed
        self._synced = False
        self.mirrors = Mirrors(
            client,
            clock,
            pods=lambda: self.sources.pods(),
            mirrors=lambda: [pod for pod in listed() if is_mirror(pod)],
            node=node,
            ready=lambda: self.sources.ready and self._synced,
        )
        self.sources = StaticPods(config, clock, workers, changed=self.mirrors.changed)

    def start(self, owner: TaskOwner) -> None:
        """Begins with the pods, without waiting for the API."""
        owner.start(self.sources.run, name="static pods", policy="restart")
        owner.start(self.mirrors.run, name="mirror pods", policy="restart")

    def synced(self) -> None:
        """The pods in the API are known from now on."""
        self._synced = True
        self.mirrors.changed()

    def changed(self, old: Any, new: Any) -> None:
        """An informer's handler: the API's pods to their workers, mirrors to those of their static pods."""
        pod = new if new is not None else old
        if not is_mirror(pod):
            self._workers.changed(old, new)
            return
        for worker in self._workers.all():
            if worker.is_static and named(worker.pod) == named(pod):
                worker.mirrored(new)
        self.mirrors.changed()

    async def close(self) -> None:
        await self.sources.close()
