"""What nobody needs, given back when the disk is short: containers and logs of ended pods, then images without users.

An ended pod keeps its status; its logs are what it costs ("Node-pressure Eviction", reclaiming node level resources).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable

from sampan.aio.clock import Clock
from sampan.kubelet.worker import PodWorker

log = logging.getLogger(__name__)
PATIENCE = 30.0
"""Seconds that the runtime gets to remove the containers."""


class Reclaim:
    """`images()` removes those that nobody uses and returns the bytes."""

    def __init__(
        self, clock: Clock, workers: Callable[[], Iterable[PodWorker]], images: Callable[[], Awaitable[int]]
    ) -> None:
        self._clock = clock
        self._workers = workers
        self._images = images

    async def __call__(self) -> int:
        """Returns the bytes of the images."""
        ended = [worker for worker in self._workers() if worker.is_over() and worker.seen.sandboxes]
        for worker in ended:
            worker.give_back()
        deadline = self._clock.monotonic() + PATIENCE
        while any(worker.seen.sandboxes for worker in ended) and self._clock.monotonic() < deadline:
            await self._clock.sleep(0.2)
        if ended:
            log.info("ended pods have given back their containers pods=%d", len(ended))
        return await self._images()
