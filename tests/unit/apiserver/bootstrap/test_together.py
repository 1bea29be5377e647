"""A server that starts on an empty store where another one is always faster, and which it hears late of."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Sequence

from sampan.apiserver.config import Config
from sampan.apiserver.server import ApiServer
from sampan.store.interface import Commit, Compare, Event, Operation, Watch
from sampan.store.memory import MemoryStore
from sampan.testing.clock import VirtualClock

TURNS = 20
"""Of the event loop, by which watches are behind commits."""


class Late:
    """`interface.Watch` that is behind."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    @property
    def revision(self) -> int:
        return self._watch.revision

    def __aiter__(self) -> Late:
        return self

    async def __anext__(self) -> list[Event]:
        events = await self._watch.__anext__()
        for _ in range(TURNS):
            await asyncio.sleep(0)
        return events

    def close(self) -> None:
        self._watch.close()


class Contended(MemoryStore):
    """What is to be created has just been created by somebody else."""

    def commit(self, compares: Sequence[Compare], operations: Sequence[Operation]) -> Awaitable[Commit]:
        if all(compare.mod_revision == 0 for compare in compares):
            self.lost = super().commit(compares, operations)
        return super().commit(compares, operations)

    def watch(self, start: str, end: str, *, from_revision: int, previous: bool = False) -> Watch:
        return Late(super().watch(start, end, from_revision=from_revision, previous=previous))


async def test_a_server_whose_every_object_another_made_first_starts() -> None:
    clock = VirtualClock()
    server = ApiServer(Config(), Contended(clock), clock, random.Random(1))
    try:
        await server.start(listen=False)
        assert server.started
    finally:
        await server.close()
