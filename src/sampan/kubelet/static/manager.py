"""Static pods: looks at their sources, begins and ends their workers, keeps their mirrors.

A pod whose manifest has changed is ended before its successor begins: both have one name, and often one port.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from sampan.aio.clock import Clock
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.pods import PodWorkers
from sampan.kubelet.static.mirrors import named
from sampan.kubelet.static.sources import Folder, Source, Url

log = logging.getLogger(__name__)


def sources(config: KubeletConfig, clock: Clock) -> list[Source]:
    """As the configuration names them."""
    found: list[Source] = []
    if config.static_pod_path is not None:
        found.append(Folder(config.static_pod_path, config.node_name, clock, config.file_check))
    if config.static_pod_url:
        headers = config.static_pod_url_headers
        found.append(Url(config.static_pod_url, config.node_name, clock, config.http_check, headers=headers))
    return found


class StaticPods:
    """`changed` is called when the set of pods has changed."""

    def __init__(
        self, config: KubeletConfig, clock: Clock, workers: PodWorkers, *, changed: Callable[[], None]
    ) -> None:
        self._clock = clock
        self._workers = workers
        self._changed = changed
        self._sources = sources(config, clock)
        self._seen: list[list[Any] | None] = [None] * len(self._sources)

    @property
    def ready(self) -> bool:
        """Whether every source has told its pods once: before, what runs on the node may be theirs."""
        return None not in self._seen

    @property
    def empty(self) -> bool:
        """Whether there are no sources at all."""
        return not self._sources

    def pods(self) -> list[Any]:
        """The pods there are now; of two with one name, the first."""
        found: dict[tuple[str, str], Any] = {}
        for pods in self._seen:
            for pod in pods or ():
                found.setdefault(named(pod), pod)
        return list(found.values())

    def uids(self) -> set[str]:
        return {pod.metadata.uid for pod in self.pods()}

    async def run(self) -> None:
        """Until cancelled."""
        due = [0.0] * len(self._sources)
        while self._sources:
            for index, source in enumerate(self._sources):
                if self._clock.monotonic() >= due[index]:
                    self._seen[index] = await source.look()
                    due[index] = self._clock.monotonic() + source.seconds
            self.apply()
            await self._clock.sleep(min(source.seconds for source in self._sources))

    def apply(self) -> None:
        """Begins what is new, ends what is gone."""
        wanted = {pod.metadata.uid: pod for pod in self.pods()}
        busy = {named(worker.pod): worker for worker in self._workers.all() if worker.is_static}
        if self.ready:
            for worker in busy.values():
                if worker.uid not in wanted and not worker.memory.removed:
                    log.info("a static pod's manifest is gone or changed pod=%s", worker.owner.name)
                    worker.remove()
                    self._changed()
        for uid, pod in wanted.items():
            if self._workers.get(uid) is None and named(pod) not in busy:
                self._workers.changed(None, pod)
                self._changed()

    async def close(self) -> None:
        for source in self._sources:
            await source.close()
