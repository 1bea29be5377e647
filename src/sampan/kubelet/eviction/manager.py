"""The eviction loop: looks every ten seconds, at what costs nothing; at pods only when something is short.

Order of each look ("Node-pressure Eviction"): pods that are over their own limit on disk go; else, if a threshold is
met, unused images and ended containers go; and if that was not enough, one pod, whose end is waited for before the next
look. Folders are walked only of pods with a limit on disk.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from sampan.aio.clock import Clock
from sampan.kubelet.eviction import ranking, storage
from sampan.kubelet.eviction.decide import Judgement, State, judge
from sampan.kubelet.eviction.ranking import PodUsage
from sampan.kubelet.eviction.signals import RECLAIMABLE, SIGNALS, Observation
from sampan.kubelet.eviction.storage import DiskUse
from sampan.kubelet.eviction.thresholds import Threshold
from sampan.kubelet.spec import grace_seconds
from sampan.kubelet.stats.usage import PodUse
from sampan.kubelet.worker import PodWorker

log = logging.getLogger(__name__)
REASON = "Evicted"
LOCAL = "ephemeralstorage.local"
"""What is counted for pods over a limit of their own, which no signal is for."""
DISRUPTION = "TerminationByKubelet"
AT_ONCE = 1.0
"""Seconds that a pod gets when a hard threshold is met."""
CLEANUP_SECONDS = 30.0


class EvictionManager:
    """`observe()` gives the signals now, `measure(which)` what the pods use that it names, `reclaim()` frees disk and
    returns the bytes. `changed` is called when the node's conditions do, `event` tells of the node, `count`
    of each eviction by its signal."""

    def __init__(
        self,
        clock: Clock,
        thresholds: tuple[Threshold, ...],
        *,
        observe: Callable[[], Awaitable[Mapping[str, Observation]]],
        measure: Callable[[Callable[[Any], bool]], Awaitable[list[PodUse]]],
        workers: Callable[[], Iterable[PodWorker]],
        reclaim: Callable[[], Awaitable[int]],
        changed: Callable[[], None],
        event: Callable[[str, str, str], None],
        transition: float,
        longest_grace: float,
        interval: float,
        count: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._thresholds = thresholds
        self._observe = observe
        self._measure = measure
        self._workers = workers
        self._reclaim = reclaim
        self._changed = changed
        self._event = event
        self._transition = transition
        self._longest_grace = longest_grace
        self._interval = interval
        self._count = count
        self._state = State()
        self.conditions: tuple[str, ...] = ()
        self.evicted: Counter[str] = Counter()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            evicted = await self.check()
            if evicted:
                await self._gone(evicted)
            else:
                await self._clock.sleep(self._interval)

    async def check(self) -> list[PodWorker]:
        """One look; returns the pods it has told to end."""
        seen = await self._observe()
        judgement = self._judge(seen)
        overfull = await self._end_overfull()
        if overfull:
            return overfull
        for threshold in judgement.acting:
            if not await self._reclaimed(threshold, seen[threshold.signal]):
                return await self._end_one(threshold, (await self._observe())[threshold.signal])
        return []

    def statistics(self) -> dict[str, Any]:
        return {"conditions": self.conditions, "evicted": self.evicted, "met": [t.signal for t in self._state.met]}

    def _judge(self, seen: Mapping[str, Observation]) -> Judgement:
        found = judge(self._thresholds, seen, self._state, self._clock.monotonic(), self._transition)
        self._state = found.state
        if found.conditions != self.conditions:
            log.warning("the node's pressure changed now=%s before=%s", found.conditions, self.conditions)
            self.conditions = found.conditions
            self._changed()
        return found

    async def _end_overfull(self) -> list[PodWorker]:
        """Ends every pod that is over a limit of its own on disk."""
        live = {worker.uid: worker for worker in self._workers() if worker.seen.any_alive}
        ended = []
        for use in await self._measure(lambda pod: pod.metadata.uid in live and storage.is_bounded(pod)):
            text = storage.excess(use.pod, disk_use(use))
            worker = live[use.pod.metadata.uid]
            if text and not ranking.is_critical(use.pod) and self._end(worker, text, AT_ONCE, LOCAL):
                ended.append(worker)
        return ended

    async def _reclaimed(self, threshold: Threshold, seen: Observation) -> bool:
        """Whether what nobody uses was enough to give back."""
        resource = SIGNALS[threshold.signal].resource
        self._event("Warning", "EvictionThresholdMet", f"Attempting to reclaim {resource}")
        if not threshold.signal.startswith(RECLAIMABLE):
            return False
        freed = await self._reclaim()
        log.info("reclaimed signal=%s bytes=%d available_before=%d", threshold.signal, freed, seen.available)
        now = (await self._observe()).get(threshold.signal)
        return now is not None and not threshold.met(now, reclaim=True)

    async def _end_one(self, threshold: Threshold, seen: Observation) -> list[PodWorker]:
        live = {worker.uid: worker for worker in self._workers() if not worker.is_over()}
        uses = [usage_of(use) for use in await self._measure(lambda pod: pod.metadata.uid in live)]
        for usage in ranking.ranked(uses, SIGNALS[threshold.signal].resource):
            worker = live[usage.pod.metadata.uid]
            if self._end(
                worker, ranking.message(threshold, seen, usage), self._grace(threshold, usage.pod), threshold.signal
            ):
                return [worker]
        log.warning("nothing is left to evict signal=%s available=%d", threshold.signal, seen.available)
        return []

    def _grace(self, threshold: Threshold, pod: Any) -> float:
        return AT_ONCE if threshold.grace is None else min(self._longest_grace, grace_seconds(pod))

    def _end(self, worker: PodWorker, text: str, grace: float, signal: str) -> bool:
        if not worker.evict(REASON, text, grace, disruption=DISRUPTION):
            return False
        log.warning("evicting pod=%s why=%s", worker.owner.name, text)
        worker.tell("", "Warning", REASON, text)
        self.evicted[signal] += 1
        self._count(signal)
        return True

    async def _gone(self, evicted: list[PodWorker]) -> None:
        """Returns when the pods have given back what they held, lest the next look ends another for it."""
        deadline = self._clock.monotonic() + CLEANUP_SECONDS
        while not all(worker.has_given_back() for worker in evicted) and self._clock.monotonic() < deadline:
            await self._clock.sleep(1.0)


def usage_of(use: PodUse) -> PodUsage:
    """What counts in the ranking."""
    disk, inodes = use.disk
    return PodUsage(
        pod=use.pod,
        memory=use.memory.working_set if use.memory else 0,
        disk=disk,
        inodes=inodes,
        processes=use.processes,
        memory_of={c.name: c.memory.working_set for c in use.containers if c.memory is not None},
        disk_of=dict(disk_use(use).containers),
    )


def disk_use(use: PodUse) -> DiskUse:
    return DiskUse(
        containers={c.name: sum(s.used for s in (c.writable, c.logs) if s is not None) for c in use.containers},
        volumes={name: space.used for name, space in use.volumes.items()},
        lent=use.lent.used if use.lent is not None else 0,
    )
