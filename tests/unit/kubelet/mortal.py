"""A kubelet that can be killed between any two steps, as by SIGKILL: whatever it still wanted to say is not heard."""

from __future__ import annotations

import asyncio
import inspect
import random
from collections import Counter
from pathlib import Path
from typing import Any

from sampan.kubelet.kubelet import Kubelet

from .harness import MACHINE, Node, usage


class Mortal:
    """What one life of a kubelet sees of something that outlives it. Each call can be cut off before and after."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.dead = False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if not inspect.iscoroutinefunction(method):
            return method

        async def call(*arguments: Any, **named: Any) -> Any:
            await self._pass()
            result = await method(*arguments, **named)
            await self._pass()
            return result

        return call

    async def _pass(self) -> None:
        if not self.dead:
            await asyncio.sleep(0)
        if self.dead:
            raise asyncio.CancelledError


class MortalNode(Node):
    """`kill` ends the kubelet where it stands; `live` lets it take so many of the smallest steps."""

    def __init__(self, folder: Path, **config: Any) -> None:
        super().__init__(folder, **config)
        self._seen: list[Mortal] = []
        self._lives = 0

    async def start(self) -> None:
        self._lives += 1
        self._seen = [Mortal(self.api), Mortal(self.runtime), Mortal(self.handlers)]
        api, runtime, handlers = self._seen
        self.kubelet = Kubelet(
            client=api,  # type: ignore[arg-type]
            runtime=runtime,  # type: ignore[arg-type]
            clock=self.clock,
            rng=random.Random(self._lives),
            config=self.config,
            mounter=self.mounter,
            handlers=handlers,  # type: ignore[arg-type]
            the_machine=MACHINE,
            measure=usage,
        )
        self._task = asyncio.create_task(self.kubelet.run())

    async def live(self, turns: int) -> None:
        for _ in range(turns):
            await self.clock.turn()

    async def kill(self) -> None:
        for seen in self._seen:
            seen.dead = True
        await self.stop()

    async def steps_until(self, seconds: float) -> int:
        """How many of the smallest steps there are until that much time has passed."""
        end, count = self.clock.monotonic() + seconds, 0
        while self.clock.monotonic() < end:
            await self.clock.turn()
            count += 1
        return count

    def starts(self) -> dict[str, int]:
        """How often each container was started."""
        return dict(Counter(self.runtime.started))
