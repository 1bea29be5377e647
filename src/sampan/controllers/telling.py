"""Writing statuses: only when they say something new, and not at each step of long work.

Ten thousand pods that become ready one by one would be ten thousand statuses. So a status on the way to another is
written only every so often, the less often the more pods it counts. What users and other controllers wait for is
written at once: the last word (`done`), a condition that turned, a generation that was seen.
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


class StatusWriter:
    def __init__(self, write: Writer, clock: Clock) -> None:
        self._write = write
        self._told: Spacing[str] = Spacing(clock)

    async def put(self, obj: Any, status: Any) -> None:
        """Writes the status of `obj` unless it says so already. An object that is gone is no error."""
        if conditions.same(status, obj.status):
            return
        try:
            await self._write.update_status(msgspec.structs.replace(obj, status=status))
        except NotFound:
            log.debug("gone before its status was written key=%s", key_of(obj))

    async def tell(self, obj: Any, status: Any, *, pods: int, done: bool) -> float | None:
        """As `put`, but no sooner than the number of pods allows unless it is urgent; seconds after which to try
        again, None when there is no need."""
        if conditions.same(status, obj.status):
            return None
        uid = obj.metadata.uid
        left = self._told.left(uid)
        if left and not done and not _turned(obj.status, status):
            return left
        await self.put(obj, status)
        self._told.note(uid, min(LEAST_SECONDS + pods * SECONDS_PER_POD, MOST_SECONDS))
        return None


def _turned(before: Any, after: Any) -> bool:
    """Whether a condition turned or another generation was seen."""
    return before is None or _turning_points(before) != _turning_points(after)


def _turning_points(status: Any) -> tuple[Any, ...]:
    told = {(condition.type, condition.status) for condition in status.conditions or ()}
    return getattr(status, "observedGeneration", None), told
