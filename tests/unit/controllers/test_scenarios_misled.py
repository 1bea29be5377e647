"""Scenarios again, by seed: what the controllers hear is dropped, repeated, late or out of order, calls fail, they die.

Events are dropped by compaction (a new list tells the outcome only), repeated by watches that begin earlier, late and
overtaken by those of other resources where one resource's watches are held; a death is at one of the points at which
they wait when undisturbed. What is there at the end is the same as undisturbed, and nothing is created twice for one
slot, for every controller of the list. `SAMPAN_SEEDS=300` tries more than the sample.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sampan.client.errors import Unreachable
from sampan.controllers.manager import CONTROLLERS
from sampan.testing.lives import Fatal
from tests.unit.controllers.mortal import MortalWorld, everything
from tests.unit.controllers.test_killed_anywhere import BY_NAME, HEALING_SECONDS, SCENARIOS, UNDELAYED
from tests.unit.controllers.test_scenarios import build, config_of, load, play

SEEDS = int(os.environ.get("SAMPAN_SEEDS", "2"))
pytestmark = pytest.mark.timeout(300 if SEEDS < 10 else 0)


class Misled:
    """A scenario told once; a seed of None leaves it undisturbed."""

    def __init__(self, path: Path, folder: Path, seed: int | None, points: Sequence[Fatal] = ()) -> None:
        self.scenario = load(path)
        self._rng = random.Random(f"{path.stem}/{seed}") if seed is not None else None
        self.world = MortalWorld(
            *(BY_NAME[name] for name in self.scenario["controllers"]),
            config=config_of(path, folder),
            fatal=self._rng.choice(points) if self._rng else None,
            answered=self._rng is not None and self._rng.random() < 0.5,
        )
        self.world.api.allowed.update(self.scenario.get("allow", ()))
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
        return everything(self.world)

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


@pytest.mark.parametrize("path", [one for one in SCENARIOS if one.stem != UNDELAYED], ids=lambda path: path.stem)
async def test_what_is_heard_wrongly_changes_nothing(path: Path, tmp_path: Path) -> None:
    undisturbed = Misled(path, tmp_path, None)
    expected = await undisturbed.tell()
    for seed in range(SEEDS):
        misled = Misled(path, tmp_path, seed, undisturbed.world.life.points)
        assert await misled.tell() == expected, f"{path.stem}: seed {seed}"
        assert misled.world.doubled == [], f"{path.stem}: seed {seed}"


def test_no_controller_is_left_out() -> None:
    told = {name for path in SCENARIOS for name in load(path)["controllers"]}
    assert {controller.name for controller in CONTROLLERS} == told
