"""Which pod is next: three places a pending pod can wait in, and what moves it between them.

* *active*: to be tried now, the highest priority first, then the longest waiting.
* *backoff*: to be tried again after a delay that doubles with each attempt. When nothing is active, a pod that was
  merely refused is taken from here early; one whose binding failed waits its time.
* *parked*: refused, and nothing has happened since that could change that.

Pods that ask for the same are refused for the same reasons, so parked pods wait in groups. When something happens that
may help, one pod of the group is woken, the first in line; only if it is placed is the next one woken. A freed slot so
costs two attempts, however many pods wait for it, and a wake-up is never lost: whatever takes a woken pod away (it is
placed, deleted, or no longer ours) wakes the next. As a safety net everything parked for `PARKED_SECONDS` is tried.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sampan.aio.clock import Clock
from sampan.scheduler.records import PodRecord

ACTIVE, BACKOFF, FAULT, PARKED, ALONE = "active", "backoff", "fault", "parked", "alone"
"""Where a pod waits. FAULT is the backoff after a failure that is not the pod's, ALONE is parked outside any group."""

FIRST_DELAY = 1.0
LONGEST_DELAY = 10.0
PARKED_SECONDS = 300.0

Heap = list[tuple[Any, ...]]


@dataclass(slots=True, eq=False)
class Group:
    """Parked pods that ask for the same; `woken` is the one on its way to another attempt."""

    key: Hashable
    heap: Heap = field(default_factory=list)
    size: int = 0
    woken: PodRecord | None = None


class SchedulingQueue:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._active: Heap = []
        self._backoff: Heap = []
        self._fault: Heap = []
        self._groups: dict[Hashable, Group] = {}
        self._alone: dict[str, PodRecord] = {}
        self._counts = dict.fromkeys((ACTIVE, BACKOFF, FAULT, PARKED, ALONE), 0)
        self._sequence = 0
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return sum(self._counts.values())

    def statistics(self) -> dict[str, int]:
        """Pods waiting, in upstream's terms."""
        counts = self._counts
        return {
            "active": counts[ACTIVE],
            "backoff": counts[BACKOFF] + counts[FAULT],
            "unschedulable": counts[PARKED] + counts[ALONE],
        }

    def add(self, pod: PodRecord) -> None:
        """Puts a pod where it is tried at once, wherever it waited."""
        self.remove(pod)
        if not pod.queued:
            pod.queued = self._clock.monotonic()
        self._enter(pod, ACTIVE)
        heapq.heappush(self._active, (-pod.priority, pod.queued, pod.sequence, pod))

    def remove(self, pod: PodRecord) -> None:
        """Takes a pod out, wherever it waits, if it does."""
        if pod.where:
            self._leave(pod)
        self.settled(pod)

    def pop(self) -> PodRecord | None:
        """The next pod to try, or None when there is none now."""
        self._expire()
        pod = self._first(self._active, ACTIVE) or self._first(self._backoff, BACKOFF)
        if pod is not None:
            self._leave(pod)
            pod.attempts += 1
        return pod

    async def ready(self) -> None:
        """Returns when `pop` may have a pod."""
        while not self._counts[ACTIVE] and not self._counts[BACKOFF]:
            self._changed.clear()
            try:
                await self._clock.wait_for(self._changed.wait(), self._next_due())
            except TimeoutError:
                self._expire()

    def park(self, pod: PodRecord, key: Hashable) -> None:
        """Takes back a popped pod that no node will have; `key` is what its attempts depend on."""
        if pod.group is not None:
            pod.group.woken = None
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(key)
        pod.group = group
        self._rest(pod, PARKED)
        group.size += 1
        heapq.heappush(group.heap, (-pod.priority, pod.created, pod.sequence, pod))

    def park_alone(self, pod: PodRecord) -> None:
        """Takes back a popped pod that waits for something of its own."""
        self.settled(pod)
        self._rest(pod, ALONE)
        self._alone[pod.uid] = pod

    def fault(self, pod: PodRecord) -> None:
        """Takes back a popped pod whose attempt failed for reasons that are not its own."""
        self.settled(pod)
        self._rest(pod, FAULT)
        heapq.heappush(self._fault, (pod.due, pod.sequence, pod))

    def settled(self, pod: PodRecord) -> None:
        """A popped pod has been placed, or is no longer wanted: the next of its group may try."""
        group, pod.group = pod.group, None
        if group is not None and group.woken is pod:
            group.woken = None
            self.wake(group)

    def groups(self) -> Iterator[tuple[Group, PodRecord]]:
        """The groups in which nobody is awake, each with the pod that is first in line."""
        for group in list(self._groups.values()):
            if group.woken is None:
                pod = self._head(group)
                if pod is not None:
                    yield group, pod

    def wake(self, group: Group) -> None:
        """Lets the first in line try again; nothing if one of the group is already on its way."""
        pod = self._head(group) if group.woken is None else None
        if pod is not None:
            self._leave(pod)
            pod.group = group
            group.woken = pod
            self._retry(pod)

    def wake_alone(self, pod: PodRecord) -> None:
        if pod.where == ALONE:
            self._leave(pod)
            self._retry(pod)

    def wake_parked_since(self, moment: float) -> None:
        """Wakes all groups, and all who wait alone, whose first in line was parked before that monotonic time."""
        for group, pod in self.groups():
            if pod.due - self._delay(pod) <= moment:
                self.wake(group)
        for pod in list(self._alone.values()):
            if pod.due - self._delay(pod) <= moment:
                self.wake_alone(pod)

    def _retry(self, pod: PodRecord) -> None:
        """Makes a parked pod active if its backoff is over."""
        if pod.due <= self._clock.monotonic():
            self._enter(pod, ACTIVE)
            heapq.heappush(self._active, (-pod.priority, pod.queued, pod.sequence, pod))
        else:
            self._enter(pod, BACKOFF)
            heapq.heappush(self._backoff, (pod.due, pod.sequence, pod))

    def _expire(self) -> None:
        """Makes active whatever has waited its time."""
        now = self._clock.monotonic()
        for heap, where in ((self._backoff, BACKOFF), (self._fault, FAULT)):
            while (pod := self._peek(heap, where)) is not None and pod.due <= now:
                heapq.heappop(heap)
                self._leave(pod)
                self._enter(pod, ACTIVE)
                heapq.heappush(self._active, (-pod.priority, pod.queued, pod.sequence, pod))

    def _next_due(self) -> float | None:
        pod = self._peek(self._fault, FAULT)
        return max(pod.due - self._clock.monotonic(), 0.0) if pod is not None else None

    def _rest(self, pod: PodRecord, where: str) -> None:
        pod.due = self._clock.monotonic() + self._delay(pod)
        self._enter(pod, where)

    def _delay(self, pod: PodRecord) -> float:
        return float(min(FIRST_DELAY * 2.0 ** min(max(pod.attempts - 1, 0), 10), LONGEST_DELAY))

    def _enter(self, pod: PodRecord, where: str) -> None:
        self._sequence += 1
        pod.sequence = self._sequence
        pod.where = where
        self._counts[where] += 1
        self._changed.set()

    def _leave(self, pod: PodRecord) -> None:
        """Entries of pods that have left stay in the heaps until they come up."""
        self._counts[pod.where] -= 1
        if pod.where == ALONE:
            del self._alone[pod.uid]
        elif pod.where == PARKED:
            self._leave_group(pod)
        pod.where = ""

    def _leave_group(self, pod: PodRecord) -> None:
        group: Group = pod.group
        group.size -= 1
        pod.group = None
        if not group.size:
            self._groups.pop(group.key, None)

    def _head(self, group: Group) -> PodRecord | None:
        return self._peek(group.heap, PARKED)

    def _first(self, heap: Heap, where: str) -> PodRecord | None:
        pod = self._peek(heap, where)
        if pod is not None:
            heapq.heappop(heap)
        return pod

    @staticmethod
    def _peek(heap: Heap, where: str) -> PodRecord | None:
        """The pod on top, after dropping entries whose pod has moved on."""
        while heap:
            *_, sequence, pod = heap[0]
            if pod.where == where and pod.sequence == sequence:
                return pod
            heapq.heappop(heap)
        return None
