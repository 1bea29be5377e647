"""Work that several want at once is done once: whoever asks meanwhile gets the same result, or the same error.

The work goes on although those who wait for it give up, for the next may ask already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class SingleFlight:
    def __init__(self) -> None:
        self._under_way: dict[tuple[str, ...], asyncio.Task[Any]] = {}

    async def run(self, key: tuple[str, ...], work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """The result of `work`, or of the one under way under that key."""
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.get_running_loop().create_task(work(), name=f"once {key[0]}")
            task.add_done_callback(lambda done: self._ended(key, done))
        return await asyncio.shield(task)

    def _ended(self, key: tuple[str, ...], task: asyncio.Task[Any]) -> None:
        del self._under_way[key]
        if not task.cancelled():
            task.exception()  # Seen here, in case nobody waits any more.
