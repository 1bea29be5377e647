"""Waiting for more pods to join a step of a rollout saves calls and costs hardly any time."""

from __future__ import annotations

import asyncio
import random

import pytest

from sampan.api.kinds import apps_v1
from sampan.controllers import joining
from sampan.controllers.deployment.controller import DeploymentController
from sampan.controllers.replicaset.controller import ReplicaSetController
from sampan.testing.nodes import Behaviour, SimulatedNodes
from tests.unit.controllers.harness import World, deployment
from tests.unit.controllers.test_calls import another, complete, writes_until_complete


@pytest.mark.parametrize(
    ("pods", "start", "seconds"),
    [(10, 0, 0.1), (10, 2, 0.1), (10, 20, 0.6), (10, 3600, 5), (1000, 2, 5), (1000, 20, 0.6), (10**5, 0, 10)],
)
def test_a_small_share_of_what_it_takes_anyway(pods: int, start: float, seconds: float) -> None:
    assert joining.pause(pods, start) == pytest.approx(seconds)


async def rolled(replicas: int, start: float) -> tuple[float, int]:
    """Seconds and writes of a rollout of pods that take `start` seconds to twice as many."""
    w = World(DeploymentController, ReplicaSetController)
    behaviour = Behaviour(start_seconds=start, stop_seconds=1, jitter=1.0)
    nodes = SimulatedNodes(w.api, w.clock, random.Random(1), ["n0", "n1"], behaviour=behaviour, bind=True)
    task = asyncio.create_task(nodes.run())
    await w.start()
    w.api.add(deployment(replicas=replicas))
    while not complete(w):
        await w.settle(1)
    await w.settle(20)
    w.api.actions.clear()
    began = w.clock.monotonic()
    w.api.change(apps_v1.Deployment, "web", "a", another)
    writes = await writes_until_complete(w)
    await w.stop()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return w.clock.monotonic() - began, writes


@pytest.mark.parametrize(("replicas", "start"), [(10, 2), (10, 20), (50, 5)])
async def test_a_rollout_of_unequal_pods_is_no_longer(
    replicas: int, start: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds, writes = await rolled(replicas, start)
    monkeypatch.setattr(joining, "pause", lambda pods, start: 0.0)
    least, most = await rolled(replicas, start)
    assert seconds < 1.04 * least + 0.3
    assert writes <= most
