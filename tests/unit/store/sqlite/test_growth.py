"""Churn: the same objects written again and again, created and deleted, and the file stays within its bound.

30,000 writes here; a million with `SAMPAN_CHURN=1000000 pytest -k churn` (minutes), against the same bound. Sizes are
what the file system gives to the files, not what they say they are.
"""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

from sampan.store.interface import Delete, Operation, Put, Store
from sampan.store.retention import Policy

WRITES = int(os.environ.get("SAMPAN_CHURN", "30000"))
AT_ONCE = 100
OBJECTS, SIZE = 500, 2000
HISTORY = 4 << 20
BOUND = 2 * (OBJECTS * SIZE + HISTORY) + (16 << 20)
"""Twice the living values and the history kept, because of half-filled and free pages; the write-ahead log, and what
compaction has yet to remove."""


def taken(path: Path) -> int:
    """Bytes of disk that the store's files take."""
    files = (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm"))
    return sum(file.stat().st_blocks * 512 for file in files if file.exists())


def written(number: int, rng: random.Random) -> list[Operation]:
    """An object changes; every third time another comes, and one that came goes."""
    value = rng.randbytes(SIZE // 2) * 2
    made: list[Operation] = [Put(f"/kept/{number % OBJECTS}", value)]
    if number % 3 == 0:
        made += [Put(f"/passing/{number}", value), Delete(f"/passing/{number - 300}")]
    return made


async def churned(store: Store, path: Path, writes: int) -> list[int]:
    """Writes, and the sizes there were on the way."""
    rng = random.Random(1)
    sizes = []
    for start in range(0, writes, AT_ONCE):
        await asyncio.gather(*(store.commit((), written(n, rng)) for n in range(start, start + AT_ONCE)))
        sizes.append(taken(path))
    return sizes


async def test_churn_stays_within_its_bound(opened, path: Path) -> None:
    async with opened(retention=Policy(size=HISTORY)) as store:
        sizes = await churned(store, path, WRITES)
        assert max(sizes) < BOUND, f"{max(sizes) >> 20} MiB"
        half = len(sizes) // 2
        assert max(sizes[half:]) < max(sizes[:half]) * 1.5
        assert (await store.range("/", "0", count_only=True)).count <= OBJECTS + 101
    assert taken(path) < BOUND
