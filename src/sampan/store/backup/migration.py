"""From one store to another: a backup that is restored, without the file between being anyone's to keep."""

from __future__ import annotations

import tempfile
from pathlib import Path

from sampan.aio.clock import Clock
from sampan.store.backup.restoring import Changes, restore
from sampan.store.backup.snapshot import EVERYTHING, StoreSource, save
from sampan.store.errors import StoreError, Unavailable
from sampan.store.interface import Store

ROUNDS = 5


class NotEmpty(StoreError):
    """The target holds objects that would be lost."""


async def migrate(source: Store, target: Store, clock: Clock, *, folder: Path, overwrite: bool = False) -> Changes:
    """Copies all objects; both stores are open, and `folder` has room for a backup.

    Repeated while the source is written to; raises `Unavailable` when that does not cease, `NotEmpty` for a target with
    objects, unless `overwrite`.
    """
    if not overwrite and (await target.range(*EVERYTHING, count_only=True)).count:
        raise NotEmpty("the store to migrate to is not empty: empty it, or say --overwrite to lose what it holds")
    total = Changes()
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        for _ in range(ROUNDS):
            backup = await save(StoreSource(source, "migration"), Path(scratch, "objects"), clock)
            done = await restore(target, backup)
            total = Changes(total.written + done.written, total.deleted + done.deleted, done.kept)
            if await source.latest() == backup.header.revision:
                return total
    raise Unavailable("the store to migrate from is being written to: stop its API servers first")
