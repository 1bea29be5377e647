"""A disk in memory: rows that stay when their engine dies, and an engine's way to them, slow and unsure."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

from sampan.store.engine import Engine
from sampan.store.errors import QuotaExceeded
from sampan.store.log import Contents, Head, Row, Unit, Written
from sampan.store.memory import MemoryLog
from sampan.testing.clock import VirtualClock


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
        self._writes: dict[asyncio.Task[None], None] = {}

    async def open(self) -> Contents:
        return await self._disk.open()

    def append(self, unit: Unit, written: Written) -> None:
        task = asyncio.get_running_loop().create_task(self._append(unit, written))
        self._writes[task] = None
        task.add_done_callback(lambda ended: self._writes.pop(ended, None))

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

    async def rows(self, ids: Sequence[int]) -> dict[int, Row]:
        await self._clock.sleep(self.seconds * self._rng.random())
        return await self._disk.rows(ids)

    async def changes(self, after: int, until: int, *, limit: int, values: bool) -> list[Row]:
        await self._clock.sleep(self.seconds * self._rng.random())
        return await self._disk.changes(after, until, limit=limit, values=values)

    async def compact(self, compacted: int, until: int, revision: int) -> None:
        await self._clock.sleep(self.seconds * self._rng.random())
        if not self.dead:
            await self._disk.compact(compacted, until, revision)

    async def size(self) -> int:
        return await self._disk.size()

    def kill(self, engine: Engine | None) -> Awaitable[None]:
        """Nothing of the engine's reaches the disk any more, and nobody is answered; returns when its tasks ended."""
        self.dead = True
        return _ended(engine)


async def _ended(engine: Engine | None) -> None:
    if engine is not None:
        await engine._tasks.close()
        engine._feed.close()


async def opened(log: SlowLog, clock: VirtualClock, rng: random.Random) -> Engine:
    """An engine on the disk, started; its leases' ids come from `rng`."""
    ids = (rng.getrandbits(40) + 1 for _ in iter(int, 1))
    engine = Engine(log, clock, lease_id=lambda: next(ids))
    await engine.start()
    return engine
