"""What of the history goes, and when; taken out of the log behind the commits, step by step.

Three things decide: the retention policy, the quota, and who calls `to`. `compacted` says at once what can no longer be
read; the log follows in the background, in steps small enough that commits between them wait for milliseconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from sampan.aio.clock import Clock
from sampan.store.errors import StoreError
from sampan.store.log import Contents, Log, Row
from sampan.store.quota import Quota
from sampan.store.retention import Policy, Retention

log = logging.getLogger(__name__)
STEPS = (256, 4096)
"""Fewest and most revisions compacted at once."""


class Compactor:
    """Keeps a log bounded. `run` is a task of the engine's."""

    def __init__(self, journal: Log, clock: Clock, *, policy: Policy, quota: int) -> None:
        self.compacted = 1
        self._log = journal
        self._clock = clock
        self._policy = policy
        self._quota = Quota(quota)

    async def start(self, contents: Contents) -> None:
        """Begins with a log that has just been opened."""
        self.compacted = self._done = contents.compacted
        self._revision = contents.revision
        self._retention = Retention(self._policy, revision=contents.revision, now=self._clock.monotonic())
        self._wanted, self._compacting = asyncio.Event(), asyncio.Lock()
        self._quota.measured(await self._log.size())

    def no_new_keys(self) -> str | None:
        """Why no key may be created now, None when it may."""
        return self._quota.refusal()

    def wrote(self, rows: Sequence[Row], revision: int) -> None:
        """Notes rows written, the last of them at `revision`."""
        self._revision = revision
        size = sum(len(row.value) + len(row.key) for row in rows if row.value is not None)
        due = self._retention.wrote(size, revision, self._clock.monotonic())
        self._quota.wrote(size, len(rows))
        if self._quota.doubtful:
            due = revision
        if due is not None and due > self.compacted:
            self.compacted = due
            self._wanted.set()

    async def to(self, revision: int) -> None:
        """Discards what is older than `revision`; returns when it is out of the log."""
        self.compacted = revision
        await self._follow()

    async def run(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._follow()
                self._quota.measured(await self._log.size())
            except StoreError as error:
                log.warning("compaction failed and will be tried again after later writes error=%s", error)

    async def _follow(self) -> None:
        """Takes out of the log what `compacted` allows at the call."""
        async with self._compacting:
            target = self.compacted
            while self._done < target:
                until = min(self._done + step(target - self._done), target)
                await self._log.compact(self._done, until, self._revision)
                self._done = until


def step(backlog: int) -> int:
    """Revisions to compact at once: more for a larger backlog, so that no rate of writes outruns compaction."""
    least, most = STEPS
    return min(max(backlog // 4, least), most)
