"""Writing statuses: only when they say something new, and not at each step of long work.

Ten thousand pods that become ready one by one would be ten thousand statuses. So a status on the way to another is
written only every so often, the less often the more pods it counts; and, where the caller says which share of them is
news, later still as long as less than that has changed. So work that is slow costs no more writes than the same work
done fast. What users and other controllers wait for is written at once: the last word (`done`), a condition that
turned, a generation that was seen. What a rollout waits for, which may be any pod, the caller says itself (`every`).
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from sampan.aio.clock import Clock
from sampan.aio.spacing import Spacing
from sampan.api.errors import NotFound
from sampan.client.cache import key_of
from sampan.controllers import conditions
from sampan.controllers.writer import Writer

log = logging.getLogger(__name__)

LEAST_SECONDS = 0.25
SECONDS_PER_POD = 1 / 2000
MOST_SECONDS = 5.0
NEWS_LEAST_SECONDS = 1.0
LITTLE_LEAST_SECONDS = 1.0
LITTLE_SECONDS_PER_POD = 1 / 100
LITTLE_MOST_SECONDS = 10.0
MOMENT = 0.001
"""Seconds that are none: what is left of a pause once it is over, by rounding."""
COUNTS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")


class StatusWriter:
    def __init__(self, write: Writer, clock: Clock) -> None:
        self._write = write
        self._told: Spacing[str] = Spacing(clock)
        """Due when the longest pause is over."""

    async def put(self, obj: Any, status: Any) -> None:
        """Writes the status of `obj` unless it says so already. An object that is gone is no error."""
        if conditions.same(status, obj.status):
            return
        try:
            await self._write.update_status(msgspec.structs.replace(obj, status=status))
        except NotFound:
            log.debug("gone before its status was written key=%s", key_of(obj))

    def hold(self, obj: Any) -> None:
        """The status has just been written, or what will be told has only begun: what is on the way waits."""
        self._told.note(obj.metadata.uid, LITTLE_MOST_SECONDS)

    async def tell(
        self,
        obj: Any,
        status: Any,
        *,
        pods: int,
        done: bool,
        share: float = 0.0,
        alone: bool = True,
        every: float | None = None,
    ) -> float | None:
        """As `put`, but no sooner than the number of pods allows unless it is urgent; seconds after which to try
        again, None when there is no need. `share` is the part of the pods whose change is news; `alone` whether users
        command the object, and wait until it has seen what they said; `every` the seconds between two, where the
        number of pods does not say it."""
        if conditions.same(status, obj.status):
            return None
        news = obj.status is None or _moved(obj.status, status) >= share * pods
        pause = every if every is not None else _pause(pods, news, share)
        left = pause - (LITTLE_MOST_SECONDS - self._told.left(obj.metadata.uid))
        if left > MOMENT and not done and not _turned(obj.status, status, alone):
            return left
        await self.put(obj, status)
        self.hold(obj)
        return None


def _pause(pods: int, news: bool, share: float) -> float:
    """Seconds between two statuses on the way."""
    if not news:
        return min(LITTLE_LEAST_SECONDS + pods * LITTLE_SECONDS_PER_POD, LITTLE_MOST_SECONDS)
    least = NEWS_LEAST_SECONDS if share else LEAST_SECONDS
    return min(least + pods * SECONDS_PER_POD, MOST_SECONDS)


def _moved(before: Any, after: Any) -> int:
    """By how many pods a count has changed, of the one that changed most."""
    return max(abs((getattr(after, one, 0) or 0) - (getattr(before, one, 0) or 0)) for one in COUNTS)


def _turned(before: Any, after: Any, alone: bool) -> bool:
    """Whether a condition turned or another generation was seen."""
    if before is None or _conditions(before) != _conditions(after):
        return True
    return alone and getattr(before, "observedGeneration", None) != getattr(after, "observedGeneration", None)


def _conditions(status: Any) -> set[tuple[str, str]]:
    return {(condition.type, condition.status) for condition in status.conditions or ()}
