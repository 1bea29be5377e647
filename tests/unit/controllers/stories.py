"""What controllers live through with kubelets and users about: each story with its controllers and its outcome."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

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


def exists(world: World, kind: Any, name: str) -> bool:
    return world.api.peek(kind, name, "a") is not None


async def lives(world: World, play: Callable[[World], None] | None = None, steps: int = 8) -> None:
    for _ in range(steps):
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
        await world.api.delete(apps_v1.Deployment, "web", "a", propagation_policy="Foreground")
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
