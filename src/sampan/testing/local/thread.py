"""A cluster in this process, in a thread with an event loop of its own, so that the test may wait for things."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from pathlib import Path

import uvloop

from sampan.testing.local.address import Address
from sampan.testing.local.parts import Parts
from sampan.testing.local.setup import Setup

END_SECONDS = 30.0


class Thread:
    """`start`, then `stop`. Raises what starting raised."""

    def __init__(self, setup: Setup, folder: Path) -> None:
        self._setup = setup
        self._parts = Parts(setup, folder)
        self._ready: Future[Address] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="sampan cluster", daemon=True)

    def start(self) -> Address:
        self._thread.start()
        return self._ready.result(self._setup.start_seconds)

    def stop(self) -> None:
        if self._loop is not None and self._end is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(END_SECONDS)

    def silence(self, name: str, silent: bool) -> None:
        """Kills a simulated node, or brings it back."""
        nodes, loop = self._parts.nodes, self._loop
        assert loop is not None and nodes is not None
        loop.call_soon_threadsafe(nodes.kill if silent else nodes.revive, name)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with self._parts as address:
                self._ready.set_result(address)
                await self._end.wait()
        except Exception as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)
