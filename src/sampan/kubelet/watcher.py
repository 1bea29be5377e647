"""Hearing from the runtime: which containers ended, and whether it is there at all.

The runtime's events say at once that a process ended, and then only the pod concerned is looked at. What ended in the
moment before the stream was heard, or before anybody knew whose it was, must not be missed: an end that belongs to
nobody is kept until somebody claims it, and shortly after the stream began everything is listed once. That relist
costs two calls however many pods there are; once a minute it is the safety net, and for a runtime without events it
runs every second. When the runtime goes away the stream breaks, and the node is not ready until it answers again.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.cri.errors import RuntimeFailure, RuntimeUnsupported
from sampan.cri.interface import Runtime
from sampan.kubelet import labels

log = logging.getLogger(__name__)
UNCLAIMED = 256
AFTER_BEGIN = 1.0


@dataclass(frozen=True, slots=True)
class Subscriber:
    """`wake` asks for a look at the pod, `ended` tells which of its containers or sandboxes has just ended."""

    wake: Callable[[], None]
    ended: Callable[[str], None]


class RuntimeWatcher:
    """`changed` is called when the runtime comes or goes, `relisted(began, now)` after each relist, with the monotonic
    time it began at and the time of day, `met` with what the runtime says it is."""

    def __init__(
        self,
        runtime: Runtime,
        clock: Clock,
        rng: random.Random,
        *,
        relist: float,
        relist_without_events: float,
        changed: Callable[[], None],
        relisted: Callable[[float, float], None] = lambda began, now: None,
        met: Callable[[Any], None] = lambda version: None,
    ) -> None:
        self.available = False
        self.reason = "container runtime is not yet known to be up"
        self._runtime = runtime
        self._clock = clock
        self._backoff = Backoff(base=0.2, cap=3.0, rng=rng)
        self._relist_seconds = relist
        self._relist_without_events = relist_without_events
        self._changed = changed
        self._told_relist = relisted
        self._met = met
        self._events = True
        self._subscribers: dict[str, Subscriber] = {}
        self._pods: dict[str, str] = {}
        self._states: dict[str, tuple[str, int]] = {}
        self._unclaimed: deque[str] = deque(maxlen=UNCLAIMED)
        self._began = asyncio.Event()
        self._heard = 0
        self._relists = 0

    def subscribe(self, uid: str, subscriber: Subscriber) -> None:
        self._subscribers[uid] = subscriber

    def unsubscribe(self, uid: str) -> None:
        self._subscribers.pop(uid, None)
        for known in [known for known, pod in self._pods.items() if pod == uid]:
            del self._pods[known]

    def belongs(self, ids: Iterable[str], uid: str) -> None:
        """The containers and sandboxes with these ids are the pod's: it hears of their end."""
        for known in ids:
            self._pods[known] = uid
            if known in self._unclaimed:
                self._unclaimed.remove(known)
                self._tell(known)

    async def run(self) -> None:
        """Listens until cancelled."""
        async with TaskOwner("runtime watcher") as owner:
            owner.start(self._listen, name="events")
            owner.start(self._relist_forever, name="relist")
            await owner.wait()

    def statistics(self) -> dict[str, Any]:
        return {"available": self.available, "events": self._heard, "relists": self._relists, "streaming": self._events}

    async def _listen(self) -> None:
        failures = 0
        while True:
            try:
                self._met(await self._runtime.version())
                failures = 0
                self._arrived()
                await self._follow()
            except RuntimeUnsupported:
                self._events = False
                await self._clock.sleep(self._relist_without_events)
                continue
            except RuntimeFailure as error:
                self._left(error)
            failures += 1
            await self._clock.sleep(self._backoff.delay(failures))

    async def _follow(self) -> None:
        if not self._events:
            await self._clock.sleep(self._relist_without_events)
            return
        self._began.set()
        async for ended in self._runtime.events():
            self._heard += 1
            self._tell(ended)

    def _tell(self, ended: str) -> None:
        uid = self._pods.get(ended)
        if uid is None:
            self._unclaimed.append(ended)
        elif uid in self._subscribers:
            self._subscribers[uid].ended(ended)

    async def _relist_forever(self) -> None:
        while True:
            await self._time_to_relist()
            if self.available:
                try:
                    await self.relist()
                except RuntimeFailure as error:
                    log.warning("the runtime's containers could not be listed error=%s", error)

    async def _time_to_relist(self) -> None:
        """Returns a second after each beginning of the event stream, and otherwise when the interval is over."""
        if not self._events:
            await self._clock.sleep(self._relist_without_events)
            return
        try:
            await self._clock.wait_for(self._began.wait(), self._relist_seconds)
        except TimeoutError:
            return
        self._began.clear()
        await self._clock.sleep(AFTER_BEGIN)

    async def relist(self) -> None:
        """Wakes the pods whose sandboxes or containers differ from the last list."""
        self._relists += 1
        began = self._clock.monotonic()
        listed = [*await self._runtime.list_containers(), *await self._runtime.list_sandboxes()]
        states = {item.id: (item.labels.get(labels.POD_UID, ""), item.state) for item in listed}
        changed = dict(states.items() ^ self._states.items()).values()
        self._states = states
        for uid in {uid for uid, _ in changed}:
            if uid in self._subscribers:
                self._subscribers[uid].wake()
        self._told_relist(began, self._clock.now())

    def _arrived(self) -> None:
        if self.available:
            return
        self.available, self.reason = True, ""
        log.info("container runtime is up")
        self._changed()
        for subscriber in list(self._subscribers.values()):
            subscriber.wake()

    def _left(self, error: RuntimeFailure) -> None:
        self.reason = f"container runtime is down: {error}"
        if self.available:
            self.available = False
            log.warning("container runtime is down error=%s", error)
            self._changed()
