"""Every controller is killed at every point at which it waits: what is there at the end is the same, nothing doubled.

A first telling of a story or scenario counts the points of its controllers' life (`sampan.testing.lives`: every
suspension of every task); then it is told again for each, and the controllers die there: once their calls on the way
never arrive, once they take effect unheard. Names that were drawn and times do not count.

Points are alike when the same task stands at the same lines: of those the first are taken, and of all an even sample.
`SAMPAN_POINTS=N` takes the first N at each place, and no sample.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sampan.controllers.manager import CONTROLLERS
from sampan.testing.lives import Fatal, chosen
from tests.unit.controllers.mortal import MortalWorld, everything
from tests.unit.controllers.stories import STORIES
from tests.unit.controllers.test_scenarios import FOLDER, build, config_of, load, play

POINTS = int(os.environ.get("SAMPAN_POINTS", "0"))
SAMPLE_TIMES, SAMPLE = 2, 10
pytestmark = pytest.mark.timeout(300 if POINTS == 0 else 0)
SCENARIOS = [path for path in sorted(FOLDER.glob("*.yaml")) if path.stem != "node-lost"]
"""Without the one in which a controller that begins anew waits anew, which is right; others have its controllers."""
UNDELAYED = "job-counts-each-pod-once"
"""It ends otherwise when a while passes between its steps."""
BY_NAME = {controller.name: controller for controller in CONTROLLERS}
HEALING_SECONDS = 150.0
"""Longer than the longest pause after failures."""
Tell = Callable[[Fatal | None, bool], Any]


async def tell_story(name: str, fatal: Fatal | None, answered: bool) -> tuple[MortalWorld, Any]:
    controllers, story, outcome = STORIES[name]
    world = MortalWorld(*controllers, fatal=fatal, answered=answered)
    await world.start()
    await story(world)
    await world.settle(HEALING_SECONDS)
    return await ended(world, outcome)


async def tell_scenario(path: Path, folder: Path, fatal: Fatal | None, answered: bool) -> tuple[MortalWorld, Any]:
    scenario = load(path)
    controllers = (BY_NAME[name] for name in scenario["controllers"])
    world = MortalWorld(*controllers, fatal=fatal, answered=answered, config=config_of(path, folder))
    world.api.allowed.update(scenario.get("allow", ()))
    world.api.add(*(build(value) for value in scenario["given"]))
    await world.start()
    for step in scenario["steps"]:
        await play(world, step)
        await world.settle(0 if path.stem == UNDELAYED else HEALING_SECONDS)
    await world.settle(HEALING_SECONDS)
    return await ended(world, everything)


async def ended(world: MortalWorld, outcome: Callable[[Any], Any]) -> tuple[MortalWorld, Any]:
    assert world.life.died.is_set() or world.life.fatal is None, f"not killed at {world.life.fatal}"
    result = outcome(world)
    await world.stop()
    return world, result


async def survives(tell: Tell, answered: bool) -> None:
    """Tells it once for each point."""
    first, expected = await tell(None, answered)
    assert first.doubled == []
    points = chosen(first.life.points, times=POINTS or SAMPLE_TIMES, most=None if POINTS else SAMPLE)
    assert points
    for fatal in points:
        world, found = await tell(fatal, answered)
        assert found == expected, f"killed at {fatal}"
        assert world.doubled == [], f"killed at {fatal}"
    print(f"{len(points)} of {len(first.life.points)} points at {len({p.place for p in first.life.points})} places")


@pytest.mark.parametrize("answered", [False, True], ids=["lost", "answered"])
@pytest.mark.parametrize("name", STORIES)
async def test_a_story_ends_the_same(name: str, answered: bool) -> None:
    await survives(lambda fatal, answered: tell_story(name, fatal, answered), answered)


@pytest.mark.parametrize("answered", [False, True], ids=["lost", "answered"])
@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
async def test_a_scenario_ends_the_same(path: Path, answered: bool, tmp_path: Path) -> None:
    await survives(lambda fatal, answered: tell_scenario(path, tmp_path, fatal, answered), answered)


def test_no_controller_is_left_out() -> None:
    told = {name for path in SCENARIOS for name in load(path)["controllers"]}
    told |= {controller.name for controllers, _, _ in STORIES.values() for controller in controllers}
    assert {controller.name for controller in CONTROLLERS} == told
