"""StatefulSet: names, order, claims and revisions."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.api.kinds import apps_v1, core_v1, meta_v1
from sampan.client.errors import Unreachable
from sampan.controllers.statefulset.controller import StatefulSetController
from tests.unit.controllers.harness import World, defaulted, meta, roll_out, template, world


def statefulset(replicas: int = 3, **spec: Any) -> Any:
    claim = core_v1.PersistentVolumeClaim(
        metadata=meta_v1.ObjectMeta(name="data"), spec=core_v1.PersistentVolumeClaimSpec(accessModes=["ReadWriteOnce"])
    )
    fields = {"volumeClaimTemplates": [claim], "serviceName": "db"} | spec
    selector = meta_v1.LabelSelector(matchLabels={"app": "web"})
    return defaulted(
        apps_v1.StatefulSet(
            metadata=meta("db"),
            spec=apps_v1.StatefulSetSpec(replicas=replicas, selector=selector, template=template(), **fields),
        )
    )


def names(w: World) -> list[str]:
    return [pod.metadata.name for pod in w.pods()]


def set_image(w: World, image: str) -> None:
    def mutate(owner: Any) -> None:
        owner.spec.template.spec.containers[0].image = image
        owner.metadata.generation += 1

    w.api.change(apps_v1.StatefulSet, "db", "a", mutate)


def images(w: World) -> list[str]:
    return [pod.spec.containers[0].image for pod in w.pods()]


def status(w: World) -> Any:
    return w.api.peek(apps_v1.StatefulSet, "db", "a").status


async def test_pods_come_one_after_the_other_each_with_its_claim() -> None:
    async with world(StatefulSetController) as w:
        await w.api.create(statefulset())
        await w.settle(1)
        assert names(w) == ["db-0"]
        w.become_ready()
        await w.settle(1)
        assert names(w) == ["db-0", "db-1"]
        await roll_out(w)
        assert names(w) == ["db-0", "db-1", "db-2"]
        pod = w.pods()[1]
        assert (pod.spec.hostname, pod.spec.subdomain) == ("db-1", "db")
        assert pod.spec.volumes[0].persistentVolumeClaim.claimName == "data-db-1"
        assert pod.metadata.labels["apps.kubernetes.io/pod-index"] == "1"
        claims = [c.metadata.name for c in w.api.all(core_v1.PersistentVolumeClaim)]
        assert claims == ["data-db-0", "data-db-1", "data-db-2"]
        assert (status(w).readyReplicas, status(w).currentReplicas) == (3, 3)


async def test_parallel_sets_make_all_at_once() -> None:
    async with world(StatefulSetController) as w:
        await w.api.create(statefulset(podManagementPolicy="Parallel"))
        await w.settle(1)
        assert names(w) == ["db-0", "db-1", "db-2"]


async def test_scaling_down_takes_the_highest_and_waits_for_its_end() -> None:
    async with world(StatefulSetController) as w:
        await w.api.create(statefulset())
        await roll_out(w)
        w.api.change(apps_v1.StatefulSet, "db", "a", lambda s: setattr(s.spec, "replicas", 1))
        await w.settle(1)
        assert names(w) == ["db-0", "db-1"]
        w.end_pods()
        await w.settle(1)
        assert names(w) == ["db-0"]
        assert len(w.api.all(core_v1.PersistentVolumeClaim)) == 3


async def test_claims_may_go_with_the_scale() -> None:
    async with world(StatefulSetController) as w:
        policy = apps_v1.StatefulSetPersistentVolumeClaimRetentionPolicy(whenScaled="Delete", whenDeleted="Delete")
        await w.api.create(statefulset(replicas=2, persistentVolumeClaimRetentionPolicy=policy))
        await roll_out(w)
        w.api.change(apps_v1.StatefulSet, "db", "a", lambda s: setattr(s.spec, "replicas", 1))
        await w.settle(1)
        owners = [c.metadata.ownerReferences[0].kind for c in w.api.all(core_v1.PersistentVolumeClaim)]
        assert owners == ["StatefulSet", "Pod"]


async def test_an_update_goes_from_the_top_down_one_at_a_time() -> None:
    async with world(StatefulSetController) as w:
        await w.api.create(statefulset())
        await roll_out(w)
        set_image(w, "sample:2")
        await w.settle(1)
        assert names(w) == ["db-0", "db-1"]

        def check() -> None:
            running = [p for p in w.pods() if p.status.phase == "Running"]
            assert len(running) >= 2

        await roll_out(w, each=check)
        assert images(w) == ["sample:2"] * 3
        assert status(w).currentRevision == status(w).updateRevision
        assert len(w.api.all(apps_v1.ControllerRevision)) == 2


@pytest.mark.parametrize(
    ("most", "policy", "at_once"), [(2, "OrderedReady", 2), ("50%", "Parallel", 2), (1, "Parallel", 1)]
)
async def test_so_many_may_be_unavailable_during_an_update(most: int | str, policy: str, at_once: int) -> None:
    async with world(StatefulSetController) as w:
        rolling = apps_v1.RollingUpdateStatefulSetStrategy(maxUnavailable=most)
        strategy = apps_v1.StatefulSetUpdateStrategy(type="RollingUpdate", rollingUpdate=rolling)
        await w.api.create(statefulset(replicas=5, updateStrategy=strategy, podManagementPolicy=policy))
        await roll_out(w)
        set_image(w, "sample:2")
        await w.settle(1)
        assert names(w) == [f"db-{number}" for number in range(5 - at_once)]

        def check() -> None:
            assert len([p for p in w.pods() if p.status.phase == "Running"]) >= 5 - at_once

        await roll_out(w, each=check)
        assert images(w) == ["sample:2"] * 5


async def test_a_partition_holds_the_lower_ordinals() -> None:
    async with world(StatefulSetController) as w:
        strategy = apps_v1.StatefulSetUpdateStrategy(
            type="RollingUpdate", rollingUpdate=apps_v1.RollingUpdateStatefulSetStrategy(partition=2)
        )
        await w.api.create(statefulset(updateStrategy=strategy))
        await roll_out(w)
        set_image(w, "sample:2")
        await roll_out(w)
        assert images(w) == ["sample:1", "sample:1", "sample:2"]
        w.api.remove(core_v1.Pod, "db-0", "a")
        await roll_out(w)
        assert images(w) == ["sample:1", "sample:1", "sample:2"]
        assert (status(w).currentReplicas, status(w).updatedReplicas) == (2, 1)


async def test_on_delete_waits_for_the_user() -> None:
    async with world(StatefulSetController) as w:
        strategy = apps_v1.StatefulSetUpdateStrategy(type="OnDelete")
        await w.api.create(statefulset(updateStrategy=strategy))
        await roll_out(w)
        set_image(w, "sample:2")
        await roll_out(w)
        assert images(w) == ["sample:1"] * 3
        w.api.remove(core_v1.Pod, "db-1", "a")
        await roll_out(w)
        assert images(w) == ["sample:1", "sample:2", "sample:1"]


async def test_an_undo_uses_the_old_revision_again() -> None:
    async with world(StatefulSetController) as w:
        await w.api.create(statefulset(replicas=1))
        await roll_out(w)
        for image in ("sample:2", "sample:1"):
            set_image(w, image)
            await roll_out(w)
        revisions = sorted(r.revision for r in w.api.all(apps_v1.ControllerRevision))
        assert revisions == [2, 3]
        assert images(w) == ["sample:1"]


async def test_a_failed_pod_is_replaced_and_ordinals_may_start_anywhere() -> None:
    async with world(StatefulSetController) as w:
        await w.api.create(statefulset(replicas=1, ordinals=apps_v1.StatefulSetOrdinals(start=5)))
        await roll_out(w)
        w.api.change(core_v1.Pod, "db-5", "a", lambda p: setattr(p.status, "phase", "Failed"))
        await roll_out(w)
        assert names(w) == ["db-5"]
        assert w.pods()[0].status.phase == "Running"


async def test_at_rest_it_writes_nothing() -> None:
    async with world(StatefulSetController) as w:
        await w.api.create(statefulset())
        await roll_out(w)
        w.writes()
        await w.settle(3600)
        assert w.writes() == []


@pytest.mark.parametrize("seed", range(10))
async def test_killed_anywhere_it_ends_the_same(seed: int) -> None:
    async with world(StatefulSetController, seed=seed) as w:
        await w.api.create(statefulset())
        rng = w.api.rng
        for step in range(10):
            if step == 4:
                set_image(w, "sample:2")
            match rng.randrange(3):
                case 0:
                    await w.stop()
                    await w.start()
                case 1:
                    w.api.compact()
                case _:
                    w.api.fail("*", "", Unreachable("reset"), times=2, after=rng.random() < 0.5)
            w.become_ready()
            w.end_pods()
            await w.settle(rng.random() * 3)
        await w.settle(130)
        await roll_out(w, steps=60)
        assert images(w) == ["sample:2"] * 3
