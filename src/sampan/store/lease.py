"""When leases end. A lease's time is kept in memory and starts anew when the store is opened, as in etcd."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sampan.aio.clock import Clock
from sampan.store.errors import LeaseNotFound, QuotaExceeded, Unavailable

log = logging.getLogger(__name__)
RETRY_SECONDS = 5.0


class Deadlines:
    """Leases by the moment they end, in monotonic seconds; `revoke` is called for those that do. `run` is a task."""

    def __init__(self, clock: Clock, revoke: Callable[[int], Awaitable[Any]]) -> None:
        self._clock = clock
        self._revoke = revoke
        self._ends: dict[int, float] = {}

    def start(self, leases: Mapping[int, int]) -> None:
        """Begins with the seconds of leases by id."""
        self._changed = asyncio.Event()
        self._ends = {}
        for lease, seconds in leases.items():
            self.set(lease, seconds)

    def __contains__(self, lease: int) -> bool:
        """False once the lease's end has been decided, even if that is still to be written."""
        return lease in self._ends

    def set(self, lease: int, seconds: float) -> None:
        """The lease ends in so many seconds from now."""
        self._ends[lease] = self._clock.monotonic() + seconds
        self._changed.set()

    def drop(self, lease: int) -> None:
        self._ends.pop(lease, None)

    async def run(self) -> None:
        while True:
            self._changed.clear()
            for lease in self._expired():
                self.drop(lease)
                await self._expire(lease)
            try:
                await self._clock.wait_for(self._changed.wait(), self._until_next())
            except TimeoutError:
                continue

    def _expired(self) -> list[int]:
        now = self._clock.monotonic()
        return [lease for lease, moment in self._ends.items() if moment <= now]

    def _until_next(self) -> float | None:
        """Seconds until a lease ends, None when there is none."""
        return max(0.0, min(self._ends.values()) - self._clock.monotonic()) if self._ends else None

    async def _expire(self, lease: int) -> None:
        try:
            await self._revoke(lease)
        except QuotaExceeded as error:
            log.warning("lease could not be ended and will be tried again lease=%d error=%s", lease, error)
            self.set(lease, RETRY_SECONDS)
        except (LeaseNotFound, Unavailable) as error:
            log.debug("lease was not ended lease=%d error=%s", lease, error)
