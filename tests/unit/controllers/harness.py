"""A controller, or several, over the fake API in virtual time."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from sampan.aio.clock import timestamp
from sampan.api import defaults
from sampan.api.kinds import apps_v1, core_v1, meta_v1
from sampan.api.registry import builtin
from sampan.controllers.context import Config
from sampan.controllers.manager import ControllerManager
from sampan.testing.clock import VirtualClock, settle
from sampan.testing.fakeapi import FakeApi

DRAWN = re.compile(r"-([bcdfghjklmnpqrstvwxz2456789]{5}|[bcdfghjklmnpqrstvwxz2456789]{8,10})\b")
"""What is drawn or hashed at the end of a name."""


class World:
    """The fake API, the time, and the controllers that run between `start` and `stop`."""

    def __init__(self, *controllers: Any, seed: int = 1, config: Config | None = None) -> None:
        self.clock = VirtualClock()
        self.api = FakeApi(self.clock, random.Random(seed))
        self._seed = seed
        self._controllers = controllers
        self._config = config
        self._task: asyncio.Task[None] | None = None
        self.manager: ControllerManager | None = None

    async def start(self) -> None:
        rng = random.Random(self._seed)
        self.manager = ControllerManager(self.api, self.clock, rng, self._config, controllers=tuple(self._controllers))
        self._task = asyncio.create_task(self.manager.run())
        await self.settle()

    async def stop(self) -> None:
        """Ends the controllers as a kill does: wherever they stand."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def settle(self, seconds: float = 0.4) -> None:
        """Lets `seconds` pass and everything that follows from it happen."""
        await self.clock.advance(seconds)
        await settle()

    def pods(self, namespace: str = "a") -> list[Any]:
        return [pod for pod in self.api.all(core_v1.Pod, namespace) if pod.metadata.deletionTimestamp is None]

    def become_ready(self, *names: str) -> None:
        """Those pods (all when none is named) run on a node and are ready."""
        for pod in self.pods():
            ready = pod.status is not None and pod.status.phase == "Running"
            if not ready and (not names or pod.metadata.name in names):
                self.api.change(core_v1.Pod, pod.metadata.name, pod.metadata.namespace, self._ready)

    def _ready(self, pod: Any) -> None:
        pod.spec.nodeName = pod.spec.nodeName or "node-1"
        since = timestamp(self.clock.now())
        ready = core_v1.PodCondition(type="Ready", status="True", lastTransitionTime=since)
        conditions = pod.status.conditions if pod.status and pod.status.conditions else [ready]
        pod.status = core_v1.PodStatus(phase="Running", podIP="10.0.0.1", conditions=conditions)

    def end_pods(self) -> None:
        """Pods that are being deleted are gone, as when their kubelet has ended them."""
        for pod in self.api.all(core_v1.Pod):
            if pod.metadata.deletionTimestamp is not None:
                self.api.remove(core_v1.Pod, pod.metadata.name, pod.metadata.namespace)

    def writes(self, *, events: bool = False) -> list[str]:
        """What has been written since the last call, as text."""
        actions = [a for a in self.api.writes if events or a.plural != "events"]
        self.api.actions.clear()
        return [str(action) for action in actions]

    def told(self, kind: str = "") -> list[tuple[str, str, str]]:
        """The events about objects of a kind (all when none is named), each once: type, reason, message."""
        found = [one for one in self.api.all(core_v1.Event) if kind in ("", one.involvedObject.kind)]
        return [(one.type, one.reason, DRAWN.sub("-*", one.message)) for one in found]


@asynccontextmanager
async def world(*controllers: Any, **options: Any) -> AsyncIterator[World]:
    made = World(*controllers, **options)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


def defaulted(obj: Any) -> Any:
    defaults.apply(builtin().of(obj), obj)
    return obj


def meta(name: str, **fields: Any) -> Any:
    return meta_v1.ObjectMeta(name=name, namespace="a", **fields)


def template(**labels: str) -> Any:
    container = core_v1.Container(name="app", image="sample:1")
    return core_v1.PodTemplateSpec(
        metadata=meta_v1.ObjectMeta(labels=labels or {"app": "web"}), spec=core_v1.PodSpec(containers=[container])
    )


def replicaset(name: str = "web", replicas: int = 3, **spec: Any) -> Any:
    selector = meta_v1.LabelSelector(matchLabels={"app": "web"})
    return defaulted(
        apps_v1.ReplicaSet(
            metadata=meta(name),
            spec=apps_v1.ReplicaSetSpec(replicas=replicas, selector=selector, template=template(), **spec),
        )
    )


def pod(name: str, *, mutate: Callable[[Any], None] = lambda pod: None, **fields: Any) -> Any:
    labels = fields.pop("labels", {"app": "web"})
    made = core_v1.Pod(metadata=meta(name, labels=labels, **fields), spec=core_v1.PodSpec(containers=[]))
    mutate(made)
    return made


def deployment(name: str = "web", replicas: int = 3, image: str = "sample:1", **spec: Any) -> Any:
    selector = meta_v1.LabelSelector(matchLabels={"app": "web"})
    made = apps_v1.Deployment(
        metadata=meta(name),
        spec=apps_v1.DeploymentSpec(replicas=replicas, selector=selector, template=template(), **spec),
    )
    made.spec.template.spec.containers[0].image = image
    return defaulted(made)


async def roll_out(world: World, steps: int = 30, each: Callable[[], None] = lambda: None) -> None:
    """Plays the kubelet until nothing changes: pods become ready, deleted ones end; `each` looks on after each step."""
    for _ in range(steps):
        before = world.api.revision
        world.become_ready()
        world.end_pods()
        await world.settle(1)
        each()
        if world.api.revision == before:
            return
    raise AssertionError(f"still changing after {steps} steps")
