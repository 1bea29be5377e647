"""Discarding history at intervals, by one of the servers that share an etcd.

Each server notes the revision of now and, an interval later, compacts to it; so history of one to two intervals stays
(kube-apiserver's --etcd-compaction-interval, 5 minutes, works alike). A reserved key says when that was done last: who
sees that another server changed it meanwhile leaves it at that. An etcd where nothing happens is not written to.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from sampan.aio.clock import Clock
from sampan.store.errors import Compacted, StoreError
from sampan.store.etcd.messages import RESERVED
from sampan.store.interface import Commit, Compare, KeyValue, Put

log = logging.getLogger(__name__)
KEY = RESERVED + "compaction"


class Compaction:
    """`look` reads the reserved key, `commit` writes it, `latest` and `compact` are the store's."""

    def __init__(
        self,
        clock: Clock,
        seconds: float,
        *,
        look: Callable[[str], Awaitable[KeyValue | None]],
        commit: Callable[[list[Compare], list[Put]], Awaitable[Commit]],
        latest: Callable[[], Awaitable[int]],
        compact: Callable[[int], Awaitable[None]],
    ) -> None:
        self._clock = clock
        self._seconds = seconds
        self._look, self._commit, self._latest, self._compact = look, commit, latest, compact

    async def run(self) -> None:
        revision, version = 0, 0
        while True:
            try:
                revision, version = await self._turn(revision, version)
            except StoreError as error:
                log.warning("history was not compacted and will be tried again error=%s", error)
            await self._clock.sleep(self._seconds)

    async def _turn(self, revision: int, version: int) -> tuple[int, int]:
        """Compacts to `revision` unless the key is no longer at `version`; answers both for the next turn."""
        noted = await self._look(KEY)
        latest = await self._latest()
        now = noted.mod_revision if noted else 0
        if not revision or now != version or latest <= revision + 1:
            return latest, now
        won = await self._commit([Compare(KEY, version)], [Put(KEY, b"%d" % revision)])
        if won.succeeded:
            try:
                await self._compact(revision)
            except Compacted:
                log.debug("already compacted revision=%d", revision)
            return won.revision, won.revision
        return latest, version
