"""Scenarios again, by seed: what the controllers hear is dropped, repeated, late or out of order, and calls fail.

Events are dropped by compaction (a new list tells the outcome only), repeated by watches that begin earlier, late and
overtaken by those of other resources where one resource's watches are held. What is there at the end is the same as
undisturbed, for every controller of the list. `SAMPAN_SEEDS=300` tries more than the sample.
"""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from typing import Any

import pytest

from sampan.client.errors import Unreachable
from sampan.controllers.manager import CONTROLLERS
from tests.unit.controllers.harness import World
from tests.unit.controllers.test_scenarios import FOLDER, build, config_of, load, play
from tests.unit.controllers.test_scenarios_killed import BY_NAME, outcome

SEEDS = int(os.environ.get("SAMPAN_SEEDS", "2"))
TIMED = frozenset({"job-counts-each-pod-once", "node-lost"})
"""Those that end otherwise when a while passes between their steps; others have their controllers."""
SCENARIOS = [path for path in sorted(FOLDER.glob("*.yaml")) if path.stem not in TIMED]
HEALING_SECONDS = 150.0
"""Longer than the longest pause after failures."""


class Misled:
    """A scenario told once; a seed of None leaves it undisturbed."""

    def __init__(self, path: Path, folder: Path, seed: int | None) -> None:
        self.scenario = load(path)
        self.world = World(*(BY_NAME[name] for name in self.scenario["controllers"]), config=config_of(path, folder))
        self.world.api.allowed.update(self.scenario.get("allow", ()))
        self._rng = random.Random(f"{path.stem}/{seed}") if seed is not None else None
        self._lost = 0.0
        self._teller: Any = None

    async def tell(self) -> str:
        self._teller = asyncio.current_task()
        api = self.world.api
        api.add(*(build(value) for value in self.scenario["given"]))
        api.before = self._called
        await self.world.start()
        for step in self.scenario["steps"]:
            self._mislead()
            await play(self.world, step)
            api.release_watches()
            api.repeated, self._lost = 0, 0.0
            await self.world.settle(HEALING_SECONDS)
        await self.world.stop()
        return outcome(self.world)

    def _mislead(self) -> None:
        api, rng = self.world.api, self._rng
        if rng is None:
            return
        plurals = sorted({plural for _, plural in api._objects})
        for _ in range(rng.randrange(1, 4)):
            match rng.randrange(5):
                case 0:
                    api.hold_watches(rng.choice(["", *plurals]))
                case 1:
                    api.compact()
                case 2:
                    api.repeated = rng.randrange(50)
                    api.close_watches()
                case 3:
                    api.close_watches()
                case _:
                    self._lost = rng.random() * 0.6

    def _called(self, action: Any) -> None:
        if self._rng is not None and asyncio.current_task() is not self._teller and self._rng.random() < self._lost:
            raise Unreachable("lost (injected)")


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
async def test_what_is_heard_wrongly_changes_nothing(path: Path, tmp_path: Path) -> None:
    expected = await Misled(path, tmp_path, None).tell()
    for seed in range(SEEDS):
        assert await Misled(path, tmp_path, seed).tell() == expected, f"{path.stem}: seed {seed}"


def test_no_controller_is_left_out() -> None:
    told = {name for path in SCENARIOS for name in load(path)["controllers"]}
    assert {controller.name for controller in CONTROLLERS} == told
