"""Deployments cost fewer writes than upstream's controllers make for the same work at the very least
(`bench/upstream.py` says how that is counted, for pods that are ready as soon as they run), whatever their size."""

from __future__ import annotations

import asyncio
import random
import runpy
from pathlib import Path
from typing import Any

import pytest

from sampan.api.kinds import apps_v1
from sampan.controllers.deployment.controller import DeploymentController
from sampan.controllers.replicaset.controller import ReplicaSetController
from sampan.testing.nodes import Behaviour, SimulatedNodes
from tests.unit.controllers.harness import World, deployment

UPSTREAM = runpy.run_path(str(Path(__file__).parents[3] / "bench" / "upstream.py"))
OURS = ("deployments/status", "replicasets", "replicasets/status", "events")


def complete(w: World) -> bool:
    (found,) = w.api.all(apps_v1.Deployment)
    status = found.status
    if status is None or status.observedGeneration != found.metadata.generation:
        return False
    return bool(status.updatedReplicas == status.replicas == status.availableReplicas == found.spec.replicas)


async def writes_until_complete(w: World) -> int:
    """Ours; a pod's deletion once, though its node ends it with another."""
    while not complete(w):
        await w.settle(0.05)
    await w.settle(0.05)
    made = [action for action in w.api.writes if f"{action.plural}/{action.subresource}".strip("/") in OURS]
    pods = {(a.verb, a.name) for a in w.api.writes if a.plural == "pods" and not a.subresource}
    return len(made) + len(pods)


@pytest.mark.parametrize("replicas", [1, 2, 3, 4, 10, 30, 100])
async def test_a_deployment_and_its_rollout_cost_less_than_upstreams_least(replicas: int) -> None:
    w = World(DeploymentController, ReplicaSetController)
    behaviour = Behaviour(start_seconds=0.02, stop_seconds=0.02, jitter=0.5)
    names = ["n0", "n1", "n2"]
    nodes = SimulatedNodes(w.api, w.clock, random.Random(1), names, behaviour=behaviour, bind=True)
    task = asyncio.create_task(nodes.run())
    await w.start()
    await w.settle(5)
    w.api.actions.clear()
    w.api.add(deployment(replicas=replicas))
    made = await writes_until_complete(w)

    await w.settle(20)
    w.api.actions.clear()
    w.api.change(apps_v1.Deployment, "web", "a", another)
    rolled = await writes_until_complete(w)
    await w.stop()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert made < UPSTREAM["created"](replicas)
    assert rolled < UPSTREAM["rolled"](replicas)


def another(found: Any) -> None:
    found.spec.template.spec.containers[0].image = "sample:2"
    found.metadata.generation += 1
