"""A world whose controllers die at one point of their life and are started again at once, as a supervisor does."""

from __future__ import annotations

import asyncio
import random
import re
from typing import Any

import msgspec

from sampan.controllers.manager import ControllerManager
from sampan.store import keys
from sampan.store.interface import Event
from sampan.testing.fakeobjects import Change
from sampan.testing.lives import Fatal, Life, Outside
from sampan.testing.virtual.slots import Slots
from tests.unit.controllers.harness import World

PASSING = re.compile(r'"(uid|resourceVersion|generation|[a-zA-Z]*[tT]ime[a-zA-Z]*)":("[^"]*"|\d+),?')
DRAWN = re.compile(r"-[bcdfghjklmnpqrstvwxz2456789]{5}\b")
TRIGGER = re.compile(r'"annotations":{"endpoints.kubernetes.io/last-change-trigger-time":"[^"]*"},')
CERTIFICATE = re.compile(r'"(certificate|request)":"[^"]*"')


class MortalWorld(World):
    """`answered` says what becomes of the calls on their way at the death: they take effect, or never arrive."""

    def __init__(self, *controllers: Any, fatal: Fatal | None = None, answered: bool = False, **options: Any) -> None:
        super().__init__(*controllers, **options)
        self.life = Life(fatal)
        self._lived: list[Life] = []
        self._answered = answered
        self._slots = Slots()
        self.api.observers.append(self._see)

    async def start(self) -> None:
        self._slots.problems.clear()
        self._live(self.life)
        self._reviver = asyncio.create_task(self._revive())
        await self.settle()

    async def stop(self) -> None:
        self._reviver.cancel()
        for life in self._lived:
            life.kill()
        await super().stop()
        for life in self._lived:
            life.bury()

    def _live(self, life: Life) -> None:
        self._lived.append(life)
        rng = random.Random(f"{self._seed}/{len(self._lived)}")
        client: Any = Outside(self.api) if self._answered else self.api
        self.manager = ControllerManager(client, self.clock, rng, self._config, controllers=tuple(self._controllers))
        self._task = life.start(self.manager.run, name="controllers")

    async def _revive(self) -> None:
        await self.life.died.wait()
        self._live(Life())

    def _see(self, change: Change) -> None:
        meta = change.value["metadata"]
        key = keys.key(*change.resource, meta.get("namespace"), meta["name"])
        value = None if change.type == "DELETED" else msgspec.json.encode(change.value)
        self._slots.see(Event(key, value, change.revision, version=1 + (change.type != "ADDED")))

    @property
    def doubled(self) -> list[str]:
        """What the controllers created for a slot that was taken, in words."""
        return self._slots.problems


def everything(world: World) -> str:
    """All that is there, without events, times and drawn names; one object a line."""
    lines = []
    for (_, plural), table in world.api._objects.items():
        if plural not in ("events", "leases"):
            lines += [msgspec.json.encode(value).decode() for value in table.values()]
    plain = (DRAWN.sub("-*", TRIGGER.sub("", CERTIFICATE.sub("", PASSING.sub("", line)))) for line in lines)
    return "\n".join(sorted(plain))
