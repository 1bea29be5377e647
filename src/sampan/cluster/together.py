"""Parts of one process over one set of informers: what several need is held once, and one that fails begins again."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Protocol

from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.client.informers import Informers


class Runs(Protocol):
    async def run(self) -> Any:
        """Until cancelled."""
        ...


class Together:
    def __init__(self, informers: Informers, parts: Mapping[str, Runs], clock: Clock, rng: random.Random) -> None:
        self._informers = informers
        self._parts = dict(parts)
        self._clock = clock
        self._rng = rng

    async def run(self) -> None:
        """Until cancelled; a part that fails is started again without the others."""
        backoff = Backoff(base=1.0, cap=30.0, rng=self._rng, jitter=0.2)
        async with TaskOwner("together", clock=self._clock, backoff=backoff) as tasks:
            self._informers.start(tasks)
            for name, part in self._parts.items():
                tasks.start(part.run, name=name, policy="restart")
            await tasks.wait()
