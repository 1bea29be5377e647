"""A scheduler over the fake API server, in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sampan.api.kinds import core_v1
from sampan.scheduler.scheduler import Scheduler
from sampan.testing.clock import VirtualClock
from sampan.testing.fakeapi import FakeApi

from . import scenarios


class World:
    def __init__(self, seed: int = 1) -> None:
        self.seed = seed
        self.clock = VirtualClock()
        self.api = FakeApi(self.clock, random.Random(seed))
        self.scheduler = self._scheduler()

    def add(self, *entries: dict[str, Any]) -> None:
        self.api.add(*(scenarios.objects(entry) for entry in entries))

    def pod(self, name: str, namespace: str = "default") -> Any:
        return self.api.peek(core_v1.Pod, name, namespace)

    def node_of(self, name: str) -> str | None:
        found = self.pod(name)
        return None if found is None else found.spec.nodeName

    def message(self, name: str) -> str:
        for condition in self.pod(name).status.conditions or ():
            if condition.type == "PodScheduled":
                return str(condition.message)
        return ""

    def events(self) -> list[str]:
        return [f"{e.involvedObject.name} {e.reason}: {e.message}" for e in self.api.all(core_v1.Event)]

    async def act(self, entry: dict[str, Any]) -> None:
        """Carries out one line of a scenario."""
        if "wait" in entry:
            await self.clock.advance(entry["wait"])
        elif "delete" in entry:
            kind, _, name = entry["delete"].partition("/")
            home = None if kind == "node" else "default"
            self.api.remove(core_v1.Node if kind == "node" else core_v1.Pod, name, home)
        elif "finish" in entry:
            self.api.change(core_v1.Pod, entry["finish"], "default", succeed)
        elif "ungate" in entry:
            self.api.change(core_v1.Pod, entry["ungate"], "default", ungate)
        elif "node" in entry and self.api.peek(core_v1.Node, entry["node"]):
            self.change_node(entry)
        else:
            self.add(entry)

    def change_node(self, entry: dict[str, Any]) -> None:
        wanted = scenarios.node(entry)

        def change(node: Any) -> None:
            node.spec, node.status, node.metadata.labels = wanted.spec, wanted.status, wanted.metadata.labels

        self.api.change(core_v1.Node, entry["node"], None, change)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[World]:
        """Runs a (new) scheduler for as long as the context lasts."""
        self.scheduler = self._scheduler()
        task = asyncio.ensure_future(self.scheduler.run())
        try:
            await self.clock.advance(0.1)
            yield self
            if task.done():
                task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _scheduler(self) -> Scheduler:
        return Scheduler(client=self.api, clock=self.clock, rng=random.Random(self.seed))


def succeed(pod: Any) -> None:
    pod.status.phase = "Succeeded"


def ungate(pod: Any) -> None:
    pod.spec.schedulingGates = None
