"""Components running on the node while the test sends packets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from .world import World, inside

T = TypeVar("T")


class Background:
    """An event loop in a thread that is on the node."""

    def __init__(self, world: World) -> None:
        self._loop = asyncio.new_event_loop()
        self._tasks: list[asyncio.Task[Any]] = []
        self._thread = threading.Thread(target=self._run, args=(world.node,))
        self._thread.start()

    def call(self, work: Callable[[], Awaitable[T]]) -> T:
        """Awaits `work()` there."""

        async def wrapped() -> T:
            return await work()

        return asyncio.run_coroutine_threadsafe(wrapped(), self._loop).result(30)

    def start(self, work: Callable[[], Awaitable[Any]]) -> None:
        async def started() -> None:
            self._tasks.append(asyncio.ensure_future(work()))

        self.call(started)

    def until(self, holds: Callable[[], bool]) -> None:
        """Waits until `holds()`, looked at between whatever else the loop does; at most ten seconds."""

        async def waiting() -> None:
            async with asyncio.timeout(10):
                while not holds():  # noqa: ASYNC110 - the condition has no event of its own
                    await asyncio.sleep(0.002)

        self.call(waiting)

    def close(self) -> None:
        async def ended() -> None:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

        self.call(ended)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, namespace: str) -> None:
        with inside(namespace):
            asyncio.set_event_loop(self._loop)
            self._loop.run_forever()
