"""What resources the server has, asked for now and then and shared by those who must reach every kind."""

from __future__ import annotations

from collections.abc import Sequence

from sampan.client.interface import ServerResource
from sampan.controllers.context import Context

FRESH_SECONDS = 30.0


class Discovery:
    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._clock = context.clock
        self._found: Sequence[ServerResource] = ()
        self._asked_at = float("-inf")

    async def resources(self, *, at_most: float = FRESH_SECONDS) -> Sequence[ServerResource]:
        """Every resource, as of so many seconds ago at most; raises ApiError, Unreachable."""
        if self._clock.monotonic() - self._asked_at >= at_most:
            self._found = await self._client.discover()
            self._asked_at = self._clock.monotonic()
        return self._found
