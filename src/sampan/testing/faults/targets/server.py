"""One real API server with its SQLite file on a small file system of its own."""

from __future__ import annotations

import os
import random
import signal
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from sampan.aio.clock import SystemClock
from sampan.store.errors import Compacted, Unavailable
from sampan.store.interface import Event, Watch
from sampan.testing.faults import injection
from sampan.testing.faults.history import History
from sampan.testing.faults.targets.process import ServerProcess
from sampan.testing.faults.targets.target import Fault
from sampan.testing.faults.workload import Served

T = TypeVar("T")
MEGABYTES = 64


class Server:
    """`Target` over the API of a process; needs namespaces (`netns.enter`), for the file system."""

    pace = 0.05
    hurts = 6
    single = True

    def __init__(self, seed: int) -> None:
        self.clock = SystemClock()
        self.history = History()
        self.compactable: Callable[[], int] = lambda: 0
        self.faults: dict[str, Fault] = {
            "server-killed": self._killed,
            "server-killed-twice": self._killed_twice,
            "server-restarted": self._restarted,
            "server-stopped": self._stopped,
            "writer-killed": self._writer_killed,
            "writer-stopped": self._writer_stopped,
            "file-system-full": self._full,
            "slow-fsync": self._slow_fsync,
            "failing-fsync": self._failing_fsync,
        }

    async def start(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="sampan-faults-"))
        injection.mount(self._folder, MEGABYTES)
        self._server = ServerProcess(self._folder / "data", "127.0.0.1", (), prefix=("setpriv", "--pdeathsig", "KILL"))
        await self._starts()
        await self._server.store.prepare()

    async def close(self) -> None:
        await self._server.close()
        injection.unmount(self._folder)
        self._folder.rmdir()

    async def heal(self) -> None:
        """A store that has met a failed write refuses all: its process has to begin anew. A full disk needs no more
        than room."""
        self._server.send(signal.SIGCONT)
        if not await self._server.writes():
            await self._restarted(random.Random())

    def store(self) -> Served:
        return self._server.store

    journal = store

    async def reach(self, call: Callable[[Served], Awaitable[T]]) -> T:
        return await call(self.store())

    async def following(self, watch: Watch) -> list[Event]:
        """A server whose store has failed says 410 to its watchers; after its restart they go on all the same."""
        try:
            return await watch.__anext__()
        except Compacted as error:
            raise Unavailable(str(error)) from None

    async def _starts(self) -> None:
        self._server.start()
        await self._server.ready()

    async def _killed(self, rng: random.Random) -> None:
        await self._server.end()
        await self._starts()

    async def _killed_twice(self, rng: random.Random) -> None:
        """The second time while it starts."""
        await self._server.end()
        self._server.start()
        await self.clock.sleep(rng.random())
        await self._killed(rng)

    async def _restarted(self, rng: random.Random) -> None:
        await self._server.end(signal.SIGTERM)
        await self._starts()

    async def _stopped(self, rng: random.Random) -> None:
        self._server.send(signal.SIGSTOP)
        await self.clock.sleep(rng.uniform(1, 4))
        self._server.send(signal.SIGCONT)

    async def _writer_killed(self, rng: random.Random) -> None:
        """The process that writes the file, without the server."""
        self._writers(signal.SIGKILL)
        await self.clock.sleep(rng.random())
        await self._restarted(rng)

    async def _writer_stopped(self, rng: random.Random) -> None:
        self._writers(signal.SIGSTOP)
        await self.clock.sleep(rng.uniform(1, 4))
        self._writers(signal.SIGCONT)

    def _writers(self, number: signal.Signals) -> None:
        for child in injection.children(self._server.pid):
            os.kill(child, number)

    async def _full(self, rng: random.Random) -> None:
        """Writes fail, and take place again when there is room, without anyone doing anything."""
        with injection.full(self._folder):
            await self.clock.sleep(rng.uniform(0.5, 2))
            if await self._server.writes():
                raise AssertionError("the server wrote without room to")
        if not await self._server.writes():
            raise AssertionError("the server did not write again when there was room")

    async def _slow_fsync(self, rng: random.Random) -> None:
        async with injection.injected(self._server.pid, "delay_enter=100000"):
            await self.clock.sleep(rng.uniform(0.5, 2))

    async def _failing_fsync(self, rng: random.Random) -> None:
        """What the disk holds is then unknown, to the store as well, which writes no more."""
        async with injection.injected(self._server.pid, "error=EIO"):
            await self.clock.sleep(rng.uniform(0.2, 1))
        await self._restarted(rng)
