"""The scheduler is killed at every point at which it waits, and begins anew: a pod is bound once, no node is too full.

`tests/unit/controllers/test_killed_anywhere.py` does so with the controllers and says what a point is.
"""

from __future__ import annotations

import asyncio
import os
import random
from typing import Any

import pytest

from sampan.api.kinds import core_v1
from sampan.api.quantity import milli
from sampan.scheduler.scheduler import Scheduler
from sampan.testing.fakeobjects import Change
from sampan.testing.lives import Fatal, Life, Outside, chosen

from .harness import World

TIMES = int(os.environ.get("SAMPAN_POINTS", "2"))
NODES = {"a": 2, "b": 2, "c": 4}


class MortalWorld(World):
    def __init__(self, fatal: Fatal | None, answered: bool) -> None:
        super().__init__()
        self.life = Life(fatal)
        self.wrong: list[str] = []
        self._answered = answered
        self._lived: list[Life] = []
        self.api.observers.append(self._see)

    def live(self, life: Life) -> None:
        self._lived.append(life)
        client: Any = Outside(self.api) if self._answered else self.api
        self.scheduler = Scheduler(client=client, clock=self.clock, rng=random.Random(len(self._lived)))
        life.start(self.scheduler.run, name="scheduler")

    async def revive(self) -> None:
        await self.life.died.wait()
        self.live(Life())

    def end(self) -> None:
        for life in self._lived:
            life.kill()
            life.bury()

    def _see(self, change: Change) -> None:
        """Nothing may be wrong at any time: no pod moves, no node has more than it holds."""
        if change.resource[1] != "pods":
            return
        before = change.old and change.old["spec"].get("nodeName")
        if before and before != change.value["spec"].get("nodeName"):
            self.wrong.append(f"{change.value['metadata']['name']} was moved")
        for node, cpus in NODES.items():
            if self.used(node) > 1000 * cpus:
                self.wrong.append(f"{node} is too full")

    def bury_pods(self) -> int:
        """Those being deleted are gone; how many there were."""
        gone = [pod for pod in self.api.all(core_v1.Pod) if pod.metadata.deletionTimestamp]
        for pod in gone:
            self.api.remove(core_v1.Pod, pod.metadata.name, "default")
        return len(gone)

    def used(self, node: str) -> int:
        """Millicores."""
        pods = (pod for pod in self.api.all(core_v1.Pod) if pod.spec.nodeName == node)
        return sum(milli(pod.spec.containers[0].resources.requests["cpu"]) for pod in pods)


async def told(fatal: Fatal | None, answered: bool) -> tuple[MortalWorld, Any]:
    """Two nodes fill; one pod is left over; one with priority takes the place of two; then there is room for all."""
    world = MortalWorld(fatal, answered)
    world.add({"node": "a", "cpu": 2}, {"node": "b", "cpu": 2})
    world.live(world.life)
    reviver = asyncio.create_task(world.revive())
    for number in range(5):
        world.add({"pod": f"p{number}", "cpu": 1})
    await world.clock.advance(5)
    world.add({"pod": "high", "cpu": 2, "priority": 10})
    evicted = 0
    for _ in range(3):
        await world.clock.advance(5)
        evicted += world.bury_pods()
    world.add({"node": "c", "cpu": 4})
    await world.clock.advance(400)
    bound = [bool(pod.spec.nodeName) for pod in world.api.all(core_v1.Pod)]
    reviver.cancel()
    world.end()
    return world, (evicted, bound)


@pytest.mark.parametrize("answered", [False, True], ids=["lost", "answered"])
async def test_each_pod_is_bound_once(answered: bool) -> None:
    first, expected = await told(None, answered)
    assert expected == (2, [True] * 4)
    assert first.wrong == []
    for fatal in chosen(first.life.points, times=TIMES):
        world, found = await told(fatal, answered)
        assert world.life.died.is_set()
        assert (found, world.wrong) == (expected, []), f"killed at {fatal}"
    print(f"{len(chosen(first.life.points, times=TIMES))} of {len(first.life.points)} points")
