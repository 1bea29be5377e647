"""Scenarios again, their controllers killed at every call they make: what is there at the end is the same.

For each call two tellings: killed before the call takes effect, and after it has, before its answer is heard. Between
two steps whoever was killed is started again, as a supervisor does. Names that were drawn and times do not count.
"""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sampan.controllers.manager import CONTROLLERS
from tests.unit.controllers.harness import World
from tests.unit.controllers.test_await_points import STORIES
from tests.unit.controllers.test_scenarios import FOLDER, build, config_of, load, play

KILLED = (
    "account-tokens",
    "bootstrap-tokens",
    "certificates-node-joins",
    "clusterrole-aggregates",
    "cronjob-runs",
    "disruption-counts",
    "endpoints-legacy",
    "endpointslice-mirrors",
    "loadbalancer-on-node-addresses",
    "namespace-defaults",
    "namespace-waits-for-finalizers",
    "node-silent",
    "nodeipam-gives-networks",
    "podgc-removes",
    "quota-recounts",
    "replicationcontroller-scales",
    "servicecidr-waits-for-addresses",
    "storage-in-use",
    "taint-evicts",
    "ttl-after-finished",
)
"""Those in which nothing else moves with time: a restart takes some. `test_await_points` has the other controllers."""
SCENARIOS = [FOLDER / f"{name}.yaml" for name in KILLED]
BY_NAME = {controller.name: controller for controller in CONTROLLERS}
PASSING = re.compile(r'"(uid|resourceVersion|generation|[a-zA-Z]*[tT]ime[a-zA-Z]*)":("[^"]*"|\d+),?')
DRAWN = re.compile(r"-[bcdfghjklmnpqrstvwxz2456789]{5}\b")
TRIGGER = re.compile(r'"annotations":{"endpoints.kubernetes.io/last-change-trigger-time":"[^"]*"},')
CERTIFICATE = re.compile(r'"(certificate|request)":"[^"]*"')
EXTRA_SECONDS = 30.0
MOST_CALLS = int(os.environ.get("SAMPAN_CALLS", "14"))
"""Where a scenario makes more, so many are taken, evenly spread: all of them with SAMPAN_CALLS=1000."""


class Telling:
    """A scenario told once, with a kill at a call (None: no kill)."""

    def __init__(self, path: Path, folder: Path, kill_at: int | None, takes_effect: bool) -> None:
        self.scenario = load(path)
        self.world = World(*(BY_NAME[name] for name in self.scenario["controllers"]), config=config_of(path, folder))
        self.world.api.allowed.update(self.scenario.get("allow", ()))
        self.calls = 0
        self._kill_at = kill_at
        self._takes_effect = takes_effect
        self._teller: Any = None

    async def tell(self) -> str:
        self._teller = asyncio.current_task()
        self.world.api.add(*(build(value) for value in self.scenario["given"]))
        self.world.api.before = self._called
        await self.world.start()
        for step in [*self.scenario["steps"], {"pass": EXTRA_SECONDS}]:
            await play(self.world, step)
            await self._revived(step)
        await self.world.stop()
        return outcome(self.world)

    async def _revived(self, step: dict[str, Any]) -> None:
        """Whoever was killed is back, and has the step's time once more."""
        assert self.world._task is not None
        if self.world._task.done():
            await self.world.start()
            await self.world.settle(step.get("pass", 1))

    def _called(self, action: Any) -> None:
        if asyncio.current_task() is self._teller:
            return
        self.calls += 1
        if self.calls == self._kill_at and self.world._task is not None:
            self.world._task.cancel()
            if not self._takes_effect:
                raise asyncio.CancelledError


def outcome(world: World) -> str:
    """Everything that is there, without events, times and drawn names; one object a line."""
    lines = []
    for (_, plural), table in world.api._objects.items():
        if plural not in ("events", "leases"):
            lines += [msgspec.json.encode(value).decode() for value in table.values()]
    plain = (DRAWN.sub("-*", TRIGGER.sub("", CERTIFICATE.sub("", PASSING.sub("", line)))) for line in lines)
    return "\n".join(sorted(plain))


@pytest.mark.parametrize("takes_effect", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
async def test_killed_at_every_call(path: Path, takes_effect: bool, tmp_path: Path) -> None:
    first = Telling(path, tmp_path, None, takes_effect)
    expected = await first.tell()
    assert first.calls > 0
    for kill_at in range(1, first.calls + 1, 1 + first.calls // MOST_CALLS):
        told = await Telling(path, tmp_path, kill_at, takes_effect).tell()
        assert told == expected, f"{path.stem}: killed at call {kill_at} of {first.calls}"


def test_no_controller_is_left_out() -> None:
    told = {name for path in SCENARIOS for name in load(path)["controllers"]}
    told |= {controller.name for controllers, _, _ in STORIES.values() for controller in controllers}
    assert {controller.name for controller in CONTROLLERS} == told
