"""The engine over a disk in memory, in virtual time: every instant of a write can be the last one."""

from __future__ import annotations

import asyncio
import random

from sampan.store.errors import QuotaExceeded, StoreError
from sampan.store.feed import BUFFER
from sampan.testing.clock import VirtualClock
from sampan.testing.faults.targets.disk import Disk, SlowLog, opened
from sampan.testing.faults.targets.target import Fault, Incarnations


class Simulated(Incarnations):
    """`Target` in virtual time; the same seed does the same again."""

    pace = 0.02

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.clock = VirtualClock()
        self._rng = random.Random(seed)
        self._disk = Disk()
        self.faults: dict[str, Fault] = {
            "crash": self._crash,
            "crash-twice": self._crash_twice,
            "restart": self._restart,
            "slow-disk": self._slow_disk,
            "stuck-disk": self._stuck_disk,
            "full-disk": self._full_disk,
            "write-error": self._write_error,
            "stopped": self._stopped,
            "compaction": self.compaction,
            "cancelled-callers": self._cancelled_callers,
            "burst": self._burst,
        }

    async def start(self) -> None:
        self._log = SlowLog(self._disk, self.clock, self._rng)
        self.live(await opened(self._log, self.clock, self._rng))

    async def close(self) -> None:
        await self._kill()

    async def heal(self) -> None:
        self._log.seconds, self._log.failure = 0.001, None
        if self._refuses():
            await self._kill()
            await self.start()

    def _refuses(self) -> bool:
        return self._store is None or getattr(self._store, "_refusal", None) is not None

    async def _kill(self) -> None:
        await self._log.kill(self.die())

    async def _crash(self, rng: random.Random) -> None:
        """The process dies between any two steps of a write."""
        await self.clock.sleep(rng.random() * 0.01)
        await self._kill()
        await self.clock.sleep(rng.random() * 0.1)
        await self.start()

    async def _crash_twice(self, rng: random.Random) -> None:
        await self._crash(rng)
        await self._crash(rng)

    async def _restart(self, rng: random.Random) -> None:
        """It is asked to end, and does what is queued before."""
        engine = self._store
        if engine is not None:
            await engine.close()
            self.die()
        await self.start()

    async def _slow_disk(self, rng: random.Random) -> None:
        self._log.seconds = 0.2
        await self.clock.sleep(rng.random() * 2)
        self._log.seconds = 0.001

    async def _stuck_disk(self, rng: random.Random) -> None:
        """A write hangs longer than a lease."""
        self._log.seconds = 10.0
        await self.clock.sleep(0.1)
        self._log.seconds = 0.001

    async def _full_disk(self, rng: random.Random) -> None:
        self._log.failure = lambda: QuotaExceeded("no space left")
        await self.clock.sleep(rng.random() * 0.2)
        self._log.failure = None

    async def _write_error(self, rng: random.Random) -> None:
        """A write fails, done or not; the store must stop and be opened anew."""
        self._log.failure = lambda: OSError("input/output error")
        await self.clock.sleep(0.1)
        await self.heal()

    async def _stopped(self, rng: random.Random) -> None:
        """The process stands still for longer than a lease (SIGSTOP, a sleeping laptop)."""
        self.clock._now += 5.0
        await self.clock.sleep(0.05)

    async def _cancelled_callers(self, rng: random.Random) -> None:
        """Clients that hang up: their commits go on."""
        for _ in range(5):
            try:
                waiting = asyncio.ensure_future(self.write("hung-up"))
            except StoreError:
                return
            await self.clock.sleep(0)
            waiting.cancel()

    async def _burst(self, rng: random.Random) -> None:
        """More writes at one moment than a watch holds for its reader."""
        commits = [self.write("burst") for _ in range(BUFFER + 100)]
        await self.reach(lambda store: asyncio.gather(*commits, return_exceptions=True))
