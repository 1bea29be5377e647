"""Disruption budgets: how many pods may be taken away now."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.aio.clock import timestamp
from sampan.api.kinds import core_v1, meta_v1, policy_v1
from sampan.controllers.disruption.controller import DisruptionController
from sampan.controllers.replicaset.controller import ReplicaSetController
from tests.unit.controllers.harness import World, meta, replicaset, world

BOTH = (DisruptionController, ReplicaSetController)


def budget(**spec: Any) -> Any:
    selector = meta_v1.LabelSelector(matchLabels={"app": "web"})
    return policy_v1.PodDisruptionBudget(
        metadata=meta("web"), spec=policy_v1.PodDisruptionBudgetSpec(selector=selector, **spec)
    )


def status(w: World) -> Any:
    return w.api.peek(policy_v1.PodDisruptionBudget, "web", "a").status


@pytest.mark.parametrize(
    ("spec", "desired", "allowed"),
    [
        ({"minAvailable": 3}, 3, 2),
        ({"minAvailable": "50%"}, 3, 2),
        ({"maxUnavailable": 1}, 4, 1),
        ({"maxUnavailable": "50%"}, 2, 3),
        ({"minAvailable": 9}, 9, 0),
    ],
)
async def test_the_budget_follows_the_pods(spec: dict[str, Any], desired: int, allowed: int) -> None:
    async with world(*BOTH) as w:
        await w.api.create(replicaset(replicas=5))
        await w.api.create(budget(**spec))
        await w.settle(1)
        assert status(w).disruptionsAllowed == 0
        w.become_ready()
        await w.settle(1)
        found = status(w)
        assert (found.currentHealthy, found.desiredHealthy, found.disruptionsAllowed) == (5, desired, allowed)
        assert found.conditions[0].reason == ("SufficientPods" if allowed else "InsufficientPods")
        w.writes()
        await w.settle(3600)
        assert w.writes() == []


async def test_a_granted_eviction_counts_until_it_runs_out() -> None:
    async with world(*BOTH) as w:
        await w.api.create(replicaset(replicas=3))
        await w.api.create(budget(maxUnavailable=1))
        await w.settle(1)
        w.become_ready()
        await w.settle(1)
        name = w.pods()[0].metadata.name
        granted = {name: timestamp(w.clock.now())}

        def grant(one: Any) -> None:
            one.status.disruptedPods = granted

        w.api.change(policy_v1.PodDisruptionBudget, "web", "a", grant)
        await w.settle(1)
        assert (status(w).currentHealthy, status(w).disruptionsAllowed) == (2, 0)
        await w.settle(125)
        assert (status(w).currentHealthy, status(w).disruptionsAllowed, status(w).disruptedPods) == (3, 1, None)


async def test_a_controller_without_scale_allows_nothing() -> None:
    async with world(DisruptionController) as w:
        owner = meta_v1.OwnerReference(apiVersion="batch/v1", kind="Job", name="j", uid="u", controller=True)
        labels = {"app": "web"}
        w.api.add(core_v1.Pod(metadata=meta("p", labels=labels, ownerReferences=[owner]), spec=core_v1.PodSpec()))
        await w.api.create(budget(maxUnavailable=1))
        await w.settle(1)
        assert status(w).conditions[0].reason == "SyncFailed"
        assert status(w).disruptionsAllowed == 0
