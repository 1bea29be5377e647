"""Each controller is killed at every call it makes, started again, and must end where it would have ended anyway.

A first run counts the calls a story makes; then the story is told twice for each of them: once the controllers are
killed before that call takes effect, once after it has and before its answer is heard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from sampan.api.kinds import apps_v1, batch_v1, core_v1, discovery_v1
from sampan.controllers.daemonset.controller import DaemonSetController
from sampan.controllers.deployment.controller import DeploymentController
from sampan.controllers.endpoints.slices import EndpointSliceController
from sampan.controllers.garbage.controller import GarbageCollector
from sampan.controllers.job.controller import JobController
from sampan.controllers.replicaset.controller import ReplicaSetController
from sampan.controllers.statefulset.controller import StatefulSetController
from tests.unit.controllers.harness import World, deployment, replicaset
from tests.unit.controllers.test_daemonset import bind, daemonset, nodes
from tests.unit.controllers.test_endpoints import running, service
from tests.unit.controllers.test_job import INDEX, SUCCESS, end, job
from tests.unit.controllers.test_statefulset import statefulset

Story = Callable[[World], Awaitable[None]]
Outcome = Callable[[World], Any]


async def told(
    controllers: tuple[Any, ...], story: Story, kill_at: int | None, takes_effect: bool = False
) -> tuple[World, int]:
    """The world after the story, and how many calls the controllers made until its end."""
    world = World(*controllers)
    calls = 0

    def before(action: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == kill_at and world._task is not None:
            world._task.cancel()
            if not takes_effect:
                raise asyncio.CancelledError

    await world.start()
    world.api.before = before
    await story(world)
    world.api.before = None
    if world._task is not None and world._task.done():
        await world.start()
    await story(world)
    await world.settle(30)
    await world.stop()
    return world, calls


async def restart(world: World) -> None:
    """Whoever was killed is back, as a supervisor sees to it."""
    if world._task is not None and world._task.done():
        hook, world.api.before = world.api.before, None
        await world.start()
        world.api.before = hook


def exists(world: World, kind: Any, name: str) -> bool:
    return world.api.peek(kind, name, "a") is not None


async def lives(world: World, play: Callable[[World], None] | None = None, steps: int = 8) -> None:
    for _ in range(steps):
        await restart(world)
        if play is None:
            world.become_ready()
            world.end_pods()
        else:
            play(world)
        await world.settle(1)


async def make(world: World, obj: Any) -> None:
    if not exists(world, type(obj), obj.metadata.name):
        world.api.add(obj)


async def a_replicaset(world: World) -> None:
    await make(world, replicaset(replicas=4))
    await lives(world, steps=3)
    world.api.change(apps_v1.ReplicaSet, "web", "a", lambda rs: setattr(rs.spec, "replicas", 2))
    await lives(world, steps=3)


async def a_rollout(world: World) -> None:
    await make(world, deployment(replicas=3))
    await lives(world, steps=3)

    def second(one: Any) -> None:
        one.spec.template.spec.containers[0].image = "sample:2"

    world.api.change(apps_v1.Deployment, "web", "a", second)
    await lives(world)


async def a_statefulset(world: World) -> None:
    await make(world, statefulset())
    await lives(world, steps=6)


async def a_daemonset(world: World) -> None:
    for node in nodes(3):
        if world.api.peek(core_v1.Node, node.metadata.name) is None:
            world.api.add(node)
    await make(world, daemonset())
    await lives(world, bind, steps=4)


async def a_job(world: World) -> None:
    await make(world, job(completions=4, parallelism=2))
    await lives(world, end, steps=6)


async def an_indexed_job_that_ends(world: World, phase: str, **spec: Any) -> None:
    """Its first index ends so, which ends it; the kubelet then ends what is taken away."""
    await make(world, job(completions=3, parallelism=3, completionMode="Indexed", **spec))
    await lives(world, lambda world: None, steps=2)
    for pod in world.pods():
        if pod.metadata.annotations[INDEX] == "0":
            end(world, pod.metadata.name, with_phase=phase)
    await lives(world, World.end_pods, steps=4)


async def an_early_success(world: World) -> None:
    await an_indexed_job_that_ends(world, "Succeeded", successPolicy=SUCCESS)


async def a_failure(world: World) -> None:
    await an_indexed_job_that_ends(world, "Failed", backoffLimit=0)


async def an_endpoint_slice(world: World) -> None:
    for number in range(3):
        if not exists(world, core_v1.Pod, f"web-{number:03}"):
            world.api.add(running(number))
    await make(world, service())
    await lives(world, lambda world: None, steps=3)


async def a_deletion(world: World) -> None:
    if not getattr(world, "made", False):
        world.made = True  # type: ignore[attr-defined]
        world.api.add(deployment())
        await lives(world, steps=3)
        hook, world.api.before = world.api.before, None
        await world.api.delete(apps_v1.Deployment, "web", "a", propagation_policy="Foreground")
        world.api.before = hook
    await lives(world, steps=6)


def pods(world: World) -> Any:
    return sorted((p.spec.containers[0].image, p.metadata.deletionTimestamp) for p in world.api.all(core_v1.Pod))


def names(world: World) -> Any:
    return [p.metadata.name for p in world.api.all(core_v1.Pod)]


def job_outcome(world: World) -> Any:
    status = world.api.peek(batch_v1.Job, "sum", "a").status
    return status.succeeded, status.failed, [c.type for c in status.conditions], len(names(world))


def slices(world: World) -> Any:
    return [[e.addresses for e in s.endpoints] for s in world.api.all(discovery_v1.EndpointSlice)]


def on_nodes(world: World) -> Any:
    return sorted(p.spec.nodeName for p in world.api.all(core_v1.Pod))


def everything(world: World) -> Any:
    return [len(world.api.all(kind)) for kind in (apps_v1.Deployment, apps_v1.ReplicaSet, core_v1.Pod)]


STORIES: dict[str, tuple[tuple[Any, ...], Story, Outcome]] = {
    "replicaset": ((ReplicaSetController,), a_replicaset, pods),
    "rollout": ((DeploymentController, ReplicaSetController), a_rollout, pods),
    "statefulset": ((StatefulSetController,), a_statefulset, names),
    "daemonset": ((DaemonSetController,), a_daemonset, on_nodes),
    "job": ((JobController,), a_job, job_outcome),
    "early success": ((JobController,), an_early_success, job_outcome),
    "failure": ((JobController,), a_failure, job_outcome),
    "endpointslice": ((EndpointSliceController,), an_endpoint_slice, slices),
    "deletion": ((DeploymentController, ReplicaSetController, GarbageCollector), a_deletion, everything),
}


@pytest.mark.parametrize("takes_effect", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", STORIES)
async def test_killed_at_every_call(name: str, takes_effect: bool) -> None:
    controllers, story, outcome = STORIES[name]
    world, calls = await told(controllers, story, None)
    expected = outcome(world)
    assert calls > 0
    for kill_at in range(1, calls + 1):
        world, _ = await told(controllers, story, kill_at, takes_effect)
        assert outcome(world) == expected, f"{name}: killed at call {kill_at}"
