"""The engine over a disk in memory, in virtual time: every instant of a write can be the last one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from sampan.store.engine import Engine
from sampan.store.errors import QuotaExceeded, StoreError
from sampan.store.feed import BUFFER
from sampan.store.log import Contents, Head, Unit, Written
from sampan.store.memory import MemoryLog
from sampan.testing.clock import VirtualClock
from sampan.testing.faults.targets.target import Fault, Incarnations


class Disk(MemoryLog):
    """Rows that stay when their engine dies."""

    def __init__(self) -> None:
        super().__init__()
        self.revision = self.compacted = 1
        self.leases: dict[int, int] = {}

    def keep(self, unit: Unit) -> None:
        super().append(unit, lambda error, rows: None)
        for lease, seconds in unit.leases.items():
            if seconds is None:
                self.leases.pop(lease, None)
            else:
                self.leases[lease] = seconds
        self.revision = max([self.revision, *(row.revision for row in unit.rows)])

    async def open(self) -> Contents:
        heads: dict[str, Head] = {}
        for row in self._present(self._ids).values():
            if row.value is None:
                heads.pop(row.key, None)
            else:
                heads[row.key] = Head(row.id, row.create_revision, row.version, row.lease)
        return Contents(self.revision, self.compacted, heads, dict(self.leases))

    async def compact(self, compacted: int, until: int, revision: int) -> None:
        await super().compact(compacted, until, revision)
        self.compacted = until


class SlowLog(Disk):
    """One engine's way to the disk: writes take time, may fail, and end when the engine dies."""

    def __init__(self, disk: Disk, clock: VirtualClock, rng: random.Random) -> None:
        self._disk = disk
        self._clock = clock
        self._rng = rng
        self.seconds = 0.001
        self.failure: Callable[[], Exception] | None = None
        self.dead = False
        self._writes: set[asyncio.Task[None]] = set()

    async def open(self) -> Contents:
        return await self._disk.open()

    def append(self, unit: Unit, written: Written) -> None:
        task = asyncio.get_running_loop().create_task(self._append(unit, written))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def _append(self, unit: Unit, written: Written) -> None:
        await self._clock.sleep(self.seconds * self._rng.random())
        if self.dead:
            return
        failure = self.failure() if self.failure else None
        if failure is None or (not isinstance(failure, QuotaExceeded) and self._rng.random() < 0.5):
            self._disk.keep(unit)
        await self._clock.sleep(self.seconds * self._rng.random())
        if not self.dead:
            written(failure, {} if failure else self._disk._present(unit.reads))

    async def rows(self, ids):  # type: ignore[no-untyped-def]
        await self._clock.sleep(self.seconds * self._rng.random())
        return await self._disk.rows(ids)

    async def changes(self, after, until, *, limit, values):  # type: ignore[no-untyped-def]
        await self._clock.sleep(self.seconds * self._rng.random())
        return await self._disk.changes(after, until, limit=limit, values=values)

    async def compact(self, compacted: int, until: int, revision: int) -> None:
        await self._clock.sleep(self.seconds * self._rng.random())
        if not self.dead:
            await self._disk.compact(compacted, until, revision)

    async def size(self) -> int:
        return await self._disk.size()


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
        ids = (self._rng.getrandbits(40) + 1 for _ in iter(int, 1))
        engine = Engine(self._log, self.clock, lease_id=lambda: next(ids))
        await engine.start()
        self.live(engine)

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
        self._log.dead = True
        engine = self.die()
        if engine is not None:
            await engine._tasks.close()
            engine._feed.close()

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
