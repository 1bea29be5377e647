"""A kubelet that dies at one point of its life, as by SIGKILL, and is started again at once, as a supervisor does."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from pathlib import Path
from typing import Any

from sampan.kubelet.kubelet import Kubelet
from sampan.testing.lives import Fatal, Life, Outside

from .harness import MACHINE, Node, at_once, usage


class MortalNode(Node):
    """API server, runtime and whoever answers probes outlive it: what they were asked for is done, heard or not."""

    def __init__(self, folder: Path, *, fatal: Fatal | None = None, **config: Any) -> None:
        super().__init__(folder, **config)
        self.life = Life(fatal)
        self._lived: list[Life] = []
        self._outside: list[Any] = [Outside(self.api), Outside(self.runtime), Outside(self.handlers)]

    async def start(self) -> None:
        """Once; it is revived by itself."""
        self._live(self.life)
        self._reviver = asyncio.create_task(self._revive())
        await self.advance(0)

    async def _revive(self) -> None:
        await self.life.died.wait()
        self._close_files()
        self._live(Life())

    def _close_files(self) -> None:
        """As the kernel does for a process that has died."""
        self.kubelet._housekeeping.close()

    def _live(self, life: Life) -> None:
        self._lived.append(life)
        api, runtime, handlers = self._outside
        self.kubelet = Kubelet(
            client=api,
            runtime=runtime,
            clock=self.clock,
            rng=random.Random(len(self._lived)),
            config=self.config,
            mounter=self.mounter,
            handlers=handlers,
            the_machine=MACHINE,
            measure=usage,
            off_loop=at_once,
        )
        self._task = life.start(self.kubelet.run, name="kubelet")

    def kill(self) -> None:
        """Where it stands."""
        self.life.kill()

    async def live(self, turns: int) -> None:
        """Lets it take so many of the smallest steps."""
        for _ in range(turns):
            await self.clock.turn()

    async def steps_until(self, seconds: float) -> list[int]:
        """Those of the smallest steps until that much time has passed before which the runtime was asked something:
        between two of them nobody can tell whether it is there."""
        end, found, asked = self.clock.monotonic() + seconds, [0], self._calls()
        for step in itertools.count(1):
            await self.clock.turn()
            before, asked = asked, self._calls()
            found += [step] if asked != before else []
            if self.clock.monotonic() >= end:
                break
        return found

    def _calls(self) -> int:
        return sum(self.runtime.asked.values())

    async def end(self) -> None:
        """Nothing of it is left, nor of its former lives."""
        self._reviver.cancel()
        for life in self._lived:
            life.kill()
        await asyncio.gather(self._task, self._reviver, return_exceptions=True)
        for life in self._lived:
            life.bury()
        self._close_files()

    def starts(self) -> dict[str, int]:
        """How often each container was started."""
        return dict(Counter(self.runtime.started))
