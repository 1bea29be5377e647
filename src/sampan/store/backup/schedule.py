"""Backups at intervals, of which the newest are kept."""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path
from typing import Any

from sampan.aio.clock import Clock, timestamp
from sampan.store.backup.format import BackupError, Reader
from sampan.store.backup.snapshot import Source, save
from sampan.store.errors import StoreError

log = logging.getLogger(__name__)
SUFFIX = ".backup"
LOCK = ".lock"
LOOK_SECONDS = 60.0
"""How soon to look again at whether a backup is due: another server may have failed to take it."""


class Snapshots:
    """Saves `source` into `folder` every `seconds`, and keeps `keep` files; skips what would be the last one again.

    Files are called `<time>-<revision>.backup`. A backup that could not be made (a full disk, say) is tried again
    next time, and takes no older one away. Several servers may share the folder: each looks when the newest file is
    `seconds` old, and whoever locks the folder first takes the backup for all.
    """

    def __init__(self, source: Source, folder: Path, clock: Clock, *, seconds: float = 3600.0, keep: int = 24) -> None:
        self._source = source
        self._folder = folder
        self._clock = clock
        self._seconds = seconds
        self._keep = max(keep, 1)
        self._taken = self._failed = 0

    async def run(self) -> None:
        """Until cancelled; the first is taken at once, unless there is one that is new enough."""
        while True:
            await self._clock.sleep(self._wait())
            try:
                await self._take_if_due()
            except (StoreError, OSError) as error:
                self._failed += 1
                log.error("scheduled backup failed folder=%s error=%s", self._folder, error)
            await self._clock.sleep(min(self._seconds, LOOK_SECONDS))

    async def _take_if_due(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._folder / LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            if self._wait() <= 0:
                await self.take()
                self._taken += 1

    def _wait(self) -> float:
        """Seconds until the newest backup is old enough for another."""
        known = self.files()
        age = self._clock.now() - known[-1].stat().st_mtime if known else self._seconds
        return self._seconds - age if age >= 0 else self._seconds

    async def take(self) -> Path:
        """Makes a backup now, unless nothing has changed; the newest one's path."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for partial in self._folder.glob(f"*{SUFFIX}.partial"):
            partial.unlink()
        known = self.files()
        if known and _revision(known[-1]) == await self._source.revision():
            os.utime(known[-1], (self._clock.now(), self._clock.now()))
            return known[-1]
        pending = self._folder / f"pending{SUFFIX}"
        made = await save(self._source, pending, self._clock)
        stamp = timestamp(self._clock.now()).replace(":", "").replace("-", "")
        path = pending.replace(self._folder / f"{stamp}-{made.header.revision}{SUFFIX}")
        os.utime(path, (self._clock.now(), self._clock.now()))
        for old in self.files()[: -self._keep]:
            old.unlink()
        return path

    def files(self) -> list[Path]:
        """The backups there are, oldest first."""
        return sorted(self._folder.glob(f"[0-9]*-*{SUFFIX}"))

    def statistics(self) -> dict[str, Any]:
        return {"taken": self._taken, "failed": self._failed, "kept": len(self.files())}


def _revision(path: Path) -> int:
    try:
        return Reader(path).header.revision
    except BackupError:
        return 0
