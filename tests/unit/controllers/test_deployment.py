"""Deployment: rollouts that keep their promises, revisions that `kubectl rollout` can read."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.api.kinds import apps_v1, core_v1
from sampan.client.errors import Unreachable
from sampan.controllers.deployment import revisions, sizes
from sampan.controllers.deployment.controller import DeploymentController
from sampan.controllers.replicaset.controller import ReplicaSetController
from tests.unit.controllers.harness import World, deployment, roll_out, world

BOTH = (DeploymentController, ReplicaSetController)


def one(w: World) -> Any:
    return w.api.peek(apps_v1.Deployment, "web", "a")


def condition(w: World, type: str) -> Any:
    return next((c for c in one(w).status.conditions or () if c.type == type), None)


def set_image(w: World, image: str) -> None:
    w.api.change(apps_v1.Deployment, "web", "a", lambda d: _image(d, image))


def _image(d: Any, image: str) -> None:
    d.spec.template.spec.containers[0].image = image
    d.metadata.generation += 1


def scale(w: World, replicas: int) -> None:
    def mutate(d: Any) -> None:
        d.spec.replicas = replicas
        d.metadata.generation += 1

    w.api.change(apps_v1.Deployment, "web", "a", mutate)


def images(w: World) -> list[str]:
    return sorted(pod.spec.containers[0].image for pod in w.pods())


async def test_a_new_deployment_comes_up_and_says_so() -> None:
    async with world(*BOTH) as w:
        await w.api.create(deployment())
        await roll_out(w)
        d = one(w)
        assert (d.status.replicas, d.status.readyReplicas, d.status.availableReplicas) == (3, 3, 3)
        assert d.metadata.annotations[revisions.REVISION] == "1"
        assert condition(w, "Available").status == "True"
        assert condition(w, "Progressing").reason == "NewReplicaSetAvailable"
        (rs,) = w.api.all(apps_v1.ReplicaSet)
        assert rs.metadata.name.startswith("web-")
        assert w.pods()[0].metadata.labels[revisions.HASH_LABEL] == rs.metadata.labels[revisions.HASH_LABEL]
        assert w.pods()[0].metadata.name.startswith(rs.metadata.name)


async def test_a_rolling_update_keeps_its_promises_at_every_step() -> None:
    async with world(*BOTH) as w:
        await w.api.create(deployment(replicas=10))
        await roll_out(w)
        set_image(w, "sample:2")

        def check() -> None:
            ready = [p for p in w.pods() if p.status.phase == "Running"]
            assert len(w.pods()) <= 13
            assert len(ready) >= 8

        await roll_out(w, each=check)
        assert images(w) == ["sample:2"] * 10
        assert one(w).metadata.annotations[revisions.REVISION] == "2"
        assert condition(w, "Progressing").reason == "NewReplicaSetAvailable"


async def test_when_it_is_done_it_writes_nothing() -> None:
    async with world(*BOTH) as w:
        await w.api.create(deployment())
        await roll_out(w)
        w.writes()
        await w.settle(7200)
        assert w.writes() == []


async def test_few_calls_for_a_new_deployment() -> None:
    async with world(*BOTH) as w:
        await w.api.create(deployment())
        await w.settle()
        w.become_ready()
        await w.settle()
        writes = [w for w in w.writes() if not w.startswith("create pods")]
        assert len(writes) <= 10, writes


async def test_undo_makes_the_old_set_new_again_with_a_fresh_revision() -> None:
    async with world(*BOTH) as w:
        await w.api.create(deployment())
        await roll_out(w)
        set_image(w, "sample:2")
        await roll_out(w)
        set_image(w, "sample:1")
        await roll_out(w)
        sets = {rs.spec.template.spec.containers[0].image: rs for rs in w.api.all(apps_v1.ReplicaSet)}
        assert len(sets) == 2
        first = sets["sample:1"].metadata.annotations
        assert (first[revisions.REVISION], first[revisions.HISTORY]) == ("3", "1")
        assert one(w).metadata.annotations[revisions.REVISION] == "3"
        assert sets["sample:2"].spec.replicas == 0


async def test_recreate_ends_all_old_pods_before_the_first_new_one() -> None:
    async with world(*BOTH) as w:
        await w.api.create(deployment(strategy=apps_v1.DeploymentStrategy(type="Recreate")))
        await roll_out(w)
        set_image(w, "sample:2")

        def check() -> None:
            everyone = {p.spec.containers[0].image for p in w.api.all(core_v1.Pod)}
            assert len(everyone) <= 1

        await w.settle(1)
        assert {p.spec.containers[0].image for p in w.api.all(core_v1.Pod)} == {"sample:1"}
        await roll_out(w, each=check)
        assert images(w) == ["sample:2"] * 3


async def test_a_paused_deployment_scales_but_does_not_roll() -> None:
    async with world(*BOTH) as w:
        await w.api.create(deployment())
        await roll_out(w)
        w.api.change(apps_v1.Deployment, "web", "a", lambda d: setattr(d.spec, "paused", True))
        set_image(w, "sample:2")
        await roll_out(w)
        assert images(w) == ["sample:1"] * 3
        assert condition(w, "Progressing").reason == "DeploymentPaused"
        scale(w, 5)
        await roll_out(w)
        assert images(w) == ["sample:1"] * 5
        w.api.change(apps_v1.Deployment, "web", "a", lambda d: setattr(d.spec, "paused", None))
        await roll_out(w)
        assert images(w) == ["sample:2"] * 5


async def test_scaling_in_the_middle_of_a_rollout_is_proportional() -> None:
    async with world(*BOTH) as w:
        strategy = apps_v1.DeploymentStrategy(
            type="RollingUpdate", rollingUpdate=apps_v1.RollingUpdateDeployment(maxSurge=3, maxUnavailable=2)
        )
        await w.api.create(deployment(replicas=10, strategy=strategy))
        await roll_out(w)
        set_image(w, "broken")
        await w.settle(1)
        w.end_pods()
        await w.settle(1)
        assert sorted(rs.spec.replicas for rs in w.api.all(apps_v1.ReplicaSet)) == [5, 8]
        scale(w, 15)
        await w.settle(1)
        assert sorted(rs.spec.replicas for rs in w.api.all(apps_v1.ReplicaSet)) == [7, 11]


async def test_a_stuck_rollout_is_reported_after_its_deadline() -> None:
    async with world(*BOTH) as w:
        await w.api.create(deployment(progressDeadlineSeconds=60))
        await w.settle(50)
        assert condition(w, "Progressing").status == "True"
        await w.settle(15)
        assert condition(w, "Progressing").reason == "ProgressDeadlineExceeded"
        w.become_ready()
        await roll_out(w)
        assert condition(w, "Progressing").reason == "NewReplicaSetAvailable"


async def test_only_so_many_old_sets_are_kept() -> None:
    async with world(*BOTH) as w:
        await w.api.create(deployment(replicas=1, revisionHistoryLimit=2))
        for number in range(2, 7):
            await roll_out(w)
            set_image(w, f"sample:{number}")
        await roll_out(w)
        kept = sorted(rs.metadata.annotations[revisions.REVISION] for rs in w.api.all(apps_v1.ReplicaSet))
        assert kept == ["4", "5", "6"]


async def test_a_taken_name_leads_to_another_hash() -> None:
    async with world(*BOTH) as w:
        wanted = deployment()
        digest = revisions.template_hash(wanted.spec.template, None)
        stranger = apps_v1.ReplicaSet(
            metadata=wanted.metadata.__class__(name=f"web-{digest}", namespace="a"),
            spec=apps_v1.ReplicaSetSpec(
                replicas=0, selector=wanted.spec.selector.__class__(matchLabels={"x": "y"}), template=None
            ),
        )
        w.api.add(stranger)
        await w.api.create(wanted)
        await roll_out(w)
        assert one(w).status.collisionCount == 1
        assert len(w.pods()) == 3


async def test_a_create_whose_answer_is_lost_makes_no_second_set() -> None:
    async with world(*BOTH) as w:
        w.api.fail("create", "replicasets", Unreachable("reset"), after=True)
        await w.api.create(deployment())
        await roll_out(w)
        assert len(w.api.all(apps_v1.ReplicaSet)) == 1
        assert one(w).status.collisionCount is None


async def test_defaults_that_only_the_set_has_make_no_new_set() -> None:
    async with world(*BOTH) as w:
        bare = deployment()
        bare.spec.template.spec.containers[0].imagePullPolicy = None
        bare.spec.template.spec.dnsPolicy = None
        w.api.add(bare)
        await roll_out(w)
        assert len(w.api.all(apps_v1.ReplicaSet)) == 1
        assert one(w).status.collisionCount is None


@pytest.mark.parametrize("seed", range(20))
async def test_killed_anywhere_it_ends_the_same(seed: int) -> None:
    """The controllers are killed and started again in the middle of a rollout, watches break, calls fail."""
    async with world(*BOTH, seed=seed) as w:
        await w.api.create(deployment(replicas=6))
        await w.settle(seed % 3)
        rng = w.api.rng
        set_image(w, "sample:2")
        for _ in range(12):
            match rng.randrange(4):
                case 0:
                    await w.stop()
                    await w.start()
                case 1:
                    w.api.compact()
                case 2:
                    w.api.fail("*", "pods", Unreachable("reset"), times=2, after=rng.random() < 0.5)
                case _:
                    w.api.fail("*", "replicasets", Unreachable("reset"), times=1, after=rng.random() < 0.5)
            w.become_ready()
            w.end_pods()
            await w.settle(rng.random() * 3)
        await w.settle(130)
        await roll_out(w, steps=60)
        assert images(w) == ["sample:2"] * 6
        assert len(w.api.all(apps_v1.ReplicaSet)) <= 2


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (10, "25%", "25%", (3, 2)),
        (1, "25%", "25%", (1, 0)),
        (3, 0, 0, (0, 1)),
        (4, 0, "10%", (0, 1)),
        (2, 1, 5, (1, 2)),
    ],
)
def test_limits(replicas: int, surge: Any, unavailable: Any, expected: tuple[int, int]) -> None:
    rolling = apps_v1.RollingUpdateDeployment(maxSurge=surge, maxUnavailable=unavailable)
    strategy = apps_v1.DeploymentStrategy(type="RollingUpdate", rollingUpdate=rolling)
    limit = sizes.limits(deployment(replicas=replicas, strategy=strategy))
    assert (limit.surge, limit.unavailable) == expected


def test_the_hash_is_of_the_template_alone() -> None:
    first, second = deployment(), deployment(replicas=9)
    assert revisions.template_hash(first.spec.template, None) == revisions.template_hash(second.spec.template, None)
    assert revisions.template_hash(first.spec.template, 1) != revisions.template_hash(first.spec.template, None)
    second.spec.template.metadata.labels[revisions.HASH_LABEL] = "x"
    assert revisions.template_bytes(first.spec.template) == revisions.template_bytes(second.spec.template)
