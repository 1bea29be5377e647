"""What the cache is certain to hold: every write that was acknowledged before some instant, by whichever server.

Over a store that others share, a read asks for its present revision and waits until the cache has come to it. What was
asked for one read is as good for every other that had arrived by then: those a client sent one behind the other on a
connection, without waiting for answers, so wait once and not each in turn.
"""

from __future__ import annotations

import math

from sampan.aio.clock import Clock
from sampan.apiserver.http.exchange import Exchange
from sampan.store.cache import WatchCache


class Freshness:
    def __init__(self, cache: WatchCache, clock: Clock) -> None:
        self._cache = cache
        self._now = clock.monotonic
        self._certain = -math.inf
        """What was acknowledged before this instant is in the cache."""

    def covers(self, exchange: Exchange) -> bool:
        """Whether the cache holds all that was acknowledged before the request arrived."""
        return exchange.arrived < self._certain

    async def renew(self) -> None:
        """Makes it hold what was acknowledged before this call. Raises StoreError."""
        asked = self._now()
        await self._cache.fresh()
        self._certain = max(self._certain, asked)
