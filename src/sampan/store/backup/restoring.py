"""Putting a backup's objects into a store: what differs is written, what is not in the backup is deleted.

The store's revision goes on from where it is, so whoever watches sees the way back as changes like any others, and no
revision is given out twice. A store that is behind the backup (an empty one, above all) would give revisions out again
that clients may remember; a local one is therefore first moved far beyond (`begin`).

It is no single transaction. Whoever writes meanwhile may have the last word; `restore` says how much was different.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from sampan.store.backup.format import Reader, Record
from sampan.store.interface import MAX_OPERATIONS, Delete, KeyValue, Operation, Put, Store
from sampan.store.sqlite import file, schema
from sampan.store.sqlite.lock import FileLock

log = logging.getLogger(__name__)
EVERYTHING = ("", "\U0010ffff")
PAGE = 1000
BATCH_BYTES = 1 << 20
"""Less than etcd's --max-request-bytes default."""
LEASE_SECONDS = 3600
"""What is left to keys that belonged to a lease: as long as upstream keeps events."""
AHEAD = 1_000_000_000
"""Revisions skipped when the store is behind: more than were lost, etcd's own advice for `--bump-revision`."""


class Changes(msgspec.Struct):
    """What a restore did, in keys."""

    written: int = 0
    deleted: int = 0
    kept: int = 0


def begin(path: Path, revision: int) -> bool:
    """Moves the SQLite store at `path` beyond `revision` if it is behind; makes it if there is none.

    Its history goes, and nobody may have it open. Raises `Unavailable` when it is in use.
    """
    lock = FileLock(path)
    lock.acquire()
    try:
        path.touch(0o600)
        with closing(schema.connect(path)) as connection:
            schema.prepare(connection, path)
            contents = file.contents(connection)
            if contents.revision >= revision:
                return False
            target = revision + AHEAD
            file.compact(connection, contents.compacted, target, target)
    finally:
        lock.release()
    return True


async def restore(store: Store, backup: Reader) -> Changes:
    """Makes the store's objects those of the backup. Raises `BackupError` before anything is changed."""
    backup.check()
    changes = Changes()
    lease = 0
    present = await _present(store)
    for batch in batches(_differences(present, backup.records(), changes)):
        if any(isinstance(each, Put) and each.lease for each in batch):
            lease = lease or await store.lease_grant(LEASE_SECONDS)
            batch = [Put(o.key, o.value, lease) if isinstance(o, Put) and o.lease else o for o in batch]
        await store.commit((), batch)
    return changes


async def _present(store: Store) -> dict[str, KeyValue]:
    start, end = EVERYTHING
    revision = 0
    found: dict[str, KeyValue] = {}
    while True:
        page = await store.range(start, end, limit=PAGE, revision=revision)
        found.update((item.key, item) for item in page.items)
        if not page.more:
            return found
        start, revision = page.items[-1].key + "\0", page.revision


def _differences(present: dict[str, KeyValue], wanted: Iterable[Record], changes: Changes) -> Iterator[Operation]:
    """What makes the one the other; consumes `present`."""
    for each in wanted:
        item = present.pop(each.key, None)
        if item is not None and item.value == each.value and bool(item.lease) == each.leased:
            changes.kept += 1
            continue
        changes.written += 1
        yield Put(each.key, each.value, int(each.leased))
    for key in present:
        changes.deleted += 1
        yield Delete(key)


def batches(operations: Iterable[Operation]) -> Iterator[list[Operation]]:
    """The operations in commits that every store takes."""
    batch: list[Operation] = []
    size = 0
    for operation in operations:
        length = len(operation.key) + (len(operation.value) if isinstance(operation, Put) else 0)
        if batch and (len(batch) == MAX_OPERATIONS or size + length > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(operation)
        size += length
    if batch:
        yield batch
