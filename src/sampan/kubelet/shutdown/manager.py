"""Ends the node's pods in their order when the machine shuts down; the node shows NotReady from the first moment.

Where logind is, it tells and is held up; where it is not, `sampan down` and a SIGTERM may ask for the same. A shutdown
that was called off leaves what has ended ended: the pods are Failed, and their controllers make others.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from sampan.aio.clock import Clock
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.shutdown.logind import Logind
from sampan.kubelet.shutdown.plan import Stage, periods, stages, total
from sampan.kubelet.spec import grace_seconds
from sampan.kubelet.systembus import BusError
from sampan.kubelet.worker import PodWorker

log = logging.getLogger(__name__)
REASON, MESSAGE = "Terminated", "Pod was terminated in response to imminent node shutdown."
DISRUPTION = "TerminationByKubelet"
REFUSED = "Pod was rejected as the node is shutting down."
LOOK_SECONDS = 0.2
RETRY_SECONDS = 30.0
TELL_SECONDS = 5.0
RELOAD_SECONDS = (0.1, 0.2, 0.4, 0.8, 1.6)
"""How long logind takes to read its files anew, which nobody tells: upstream waits as long."""


class ShutdownManager:
    """`changed` is called when the node begins or ceases to shut down; `told(uid)` returns when the API has heard what
    there is to tell of a pod."""

    def __init__(
        self,
        config: KubeletConfig,
        clock: Clock,
        logind: Logind,
        *,
        workers: Callable[[], Iterable[PodWorker]],
        changed: Callable[[], None],
        told: Callable[[str], Awaitable[None]],
    ) -> None:
        self.periods = periods(config)
        self.active = False
        """Whether the machine is about to shut down: no pod is taken any more."""
        self._clock = clock
        self._logind = logind
        self._workers = workers
        self._changed = changed
        self._pod_told = told
        self._told = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled; does nothing where no times are configured or there is no logind."""
        while self.periods:
            try:
                await self._guard()
            except (BusError, OSError) as error:
                log.info("no logind holds up shutdowns error=%s", error)
            finally:
                self._logind.release()
            await self._clock.sleep(RETRY_SECONDS)

    async def _guard(self) -> None:
        """One connection to logind, until it ends."""
        wanted = total(self.periods)
        allowed = await self._allowed(wanted)
        if allowed < wanted:
            log.warning("logind holds up a shutdown for %.0f s, pods want %.0f s", allowed, wanted)
        await self._logind.listen(self.tell)
        await self._logind.inhibit()
        closed = asyncio.ensure_future(self._logind.closed())
        try:
            while not closed.done():
                told = asyncio.ensure_future(self._told.wait())
                await asyncio.wait({told, closed}, return_when=asyncio.FIRST_COMPLETED)
                told.cancel()
                if self._told.is_set():
                    self._told.clear()
                    await self._shut_down_or_go_on()
        finally:
            closed.cancel()
            await asyncio.gather(closed, return_exceptions=True)

    async def _allowed(self, wanted: float) -> float:
        allowed = await self._logind.allow(wanted)
        for seconds in RELOAD_SECONDS:
            if allowed >= wanted:
                break
            await self._clock.sleep(seconds)
            allowed = await self._logind.longest_delay()
        return allowed

    async def _shut_down_or_go_on(self) -> None:
        if self.active:
            await self.end_all()
            self._logind.release()
        else:
            await self._logind.inhibit()

    def tell(self, shutting_down: bool) -> None:
        """The machine is about to shut down, or not any more."""
        log.warning("the machine %s", "is shutting down" if shutting_down else "does not shut down after all")
        self.active = shutting_down
        self._told.set()
        self._changed()

    async def end_all(self) -> None:
        """Ends all pods, stage by stage; returns when they have ended or had their time."""
        self.active = True
        self._changed()
        workers = {worker.uid: worker for worker in self._workers() if not worker.is_over()}
        for stage in stages([worker.pod for worker in workers.values()], self.periods):
            await self._end(stage, [workers[pod.metadata.uid] for pod in stage.pods])
        await self._until_told(workers)

    async def _end(self, stage: Stage, workers: list[PodWorker]) -> None:
        log.info("ending pods=%d within=%.0f s", len(workers), stage.seconds)
        for worker in workers:
            grace = min(grace_seconds(worker.pod), stage.seconds)
            worker.evict(REASON, MESSAGE, grace, disruption=DISRUPTION)
        deadline = self._clock.monotonic() + stage.seconds
        while not all(worker.is_over() for worker in workers) and self._clock.monotonic() < deadline:
            await self._clock.sleep(LOOK_SECONDS)

    async def _until_told(self, uids: Iterable[str]) -> None:
        """What ended in a moment's time is told before the kubelet ends, too, if the API hears it soon."""
        telling = asyncio.gather(*(self._pod_told(uid) for uid in uids))
        with contextlib.suppress(TimeoutError):
            await self._clock.wait_for(telling, TELL_SECONDS)

    def refusal(self) -> str:
        """Why no pod is taken now; "" when there is no reason."""
        return REFUSED if self.active else ""

    def statistics(self) -> dict[str, Any]:
        return {"active": self.active, "seconds": total(self.periods)}
