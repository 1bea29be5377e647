"""The end of one pod: whether it is to end, and since when (pure); and that all who wait with its work hear of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from sampan.aio.clock import Clock, parse_timestamp
from sampan.kubelet.decide import deadline_of
from sampan.kubelet.memory import Ending
from sampan.kubelet.phase import TERMINAL
from sampan.kubelet.spec import grace_seconds
from sampan.kubelet.steps.workspace import Interrupted, Worker


class Endings:
    """`known_pod()` is the pod with its latest status, `tell` makes an event on it; `interrupt_stops` is called when
    less time is left for stops."""

    def __init__(
        self,
        worker: Worker,
        clock: Clock,
        *,
        known_pod: Callable[[], Any],
        tell: Callable[[str, str, str, str], None],
        interrupt_stops: Callable[[], None],
    ) -> None:
        self._worker = worker
        self._clock = clock
        self._known_pod = known_pod
        self._tell = tell
        self._interrupt_stops = interrupt_stops
        self._told = asyncio.Event()

    def note(self) -> None:
        """Starts the end of a pod that is deleted, gone or over its deadline; a shorter grace replaces a longer."""
        memory = self._worker.memory
        ending = wanted_ending(self._known_pod(), removed=memory.removed, now=self._clock.now())
        if ending is None:
            return
        known = memory.ending
        if known is not None and not is_sharper(known, ending):
            return
        if known is not None:
            # Containers are being stopped with more time than they have now: begin again with less.
            self._interrupt_stops()
        memory.hooks.clear()
        if ending.reason:
            self._tell("", "Normal", ending.reason, ending.message)
        self.begin(ending)

    def begin(self, ending: Ending) -> None:
        self._worker.memory.ending = ending
        self._told.set()
        self._worker.wake()

    async def unless(self, work: Any) -> Any:
        """The result of `work`, unless the pod is told to end first: then it is cancelled and Interrupted raised."""
        if self._worker.memory.ending is not None:
            return await work
        task = asyncio.ensure_future(work)
        told = asyncio.ensure_future(self._told.wait())
        try:
            await asyncio.wait({task, told}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise Interrupted
        finally:
            told.cancel()
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


def wanted_ending(pod: Any, *, removed: bool, now: float) -> Ending | None:
    """How the pod is to end, None when it is not; `removed` says that the API has it no more."""
    meta = pod.metadata
    if meta.deletionTimestamp is not None:
        asked = meta.deletionGracePeriodSeconds
        grace = grace_seconds(pod) if asked is None else float(asked)
        since = min(max(parse_timestamp(meta.deletionTimestamp) - grace, now - grace), now)
        return Ending(since=since, grace=grace)
    if removed:
        return Ending(since=now, grace=grace_seconds(pod))
    deadline, phase = deadline_of(pod), pod.status.phase if pod.status else None
    if deadline is not None and deadline <= now and phase not in TERMINAL:
        return Ending(
            since=now,
            grace=grace_seconds(pod),
            phase="Failed",
            reason="DeadlineExceeded",
            message="Pod was active on the node longer than the specified deadline",
        )
    return None


def is_sharper(known: Ending, wanted: Ending) -> bool:
    """Whether the new end comes clearly before the old one."""
    return wanted.since + wanted.grace < known.since + known.grace - 1.0
