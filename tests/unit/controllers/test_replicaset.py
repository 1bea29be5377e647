"""ReplicaSet: the right number of pods, whatever fails, whatever the cache knows."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.api import errors
from sampan.api.kinds import apps_v1, core_v1, meta_v1
from sampan.client.errors import Unreachable
from sampan.client.informers import Informers
from sampan.controllers.ownership import reference_to
from sampan.controllers.replicaset import decide, ranking
from sampan.controllers.replicaset.controller import ReplicaSetController, ReplicationControllerController
from sampan.controllers.writer import Outdated, Writer
from sampan.testing.fakeapi import FakeApi
from tests.unit.controllers.harness import meta, pod, replicaset, world


async def test_it_makes_the_missing_pods_and_reports() -> None:
    async with world(ReplicaSetController) as w:
        await w.api.create(replicaset())
        await w.settle()
        made = w.pods()
        assert len(made) == 3
        assert all(p.metadata.ownerReferences[0].blockOwnerDeletion for p in made)
        assert all(p.metadata.generateName == "web-" for p in made)
        w.become_ready()
        await w.settle()
        (rs,) = w.api.all(apps_v1.ReplicaSet)
        assert (rs.status.replicas, rs.status.readyReplicas, rs.status.availableReplicas) == (3, 3, 3)
        assert (rs.status.fullyLabeledReplicas, rs.status.observedGeneration) == (3, 1)


async def test_what_is_as_it_should_be_is_left_alone() -> None:
    async with world(ReplicaSetController) as w:
        await w.api.create(replicaset())
        await w.settle()
        w.become_ready()
        await w.settle(60)
        w.writes()
        await w.settle(3600)
        assert w.writes() == []


async def test_a_stale_cache_makes_no_second_pod() -> None:
    async with world(ReplicaSetController) as w:
        rs = await w.api.create(replicaset())
        await w.settle()
        w.api.hold_watches()
        assert w.manager
        for _ in range(5):
            w.manager.controllers[0].queue.add("a/web")
            await w.settle(1)
        assert len(w.pods()) == 3
        w.api.release_watches()
        await w.settle(10)
        assert len(w.pods()) == 3
        assert rs.metadata.uid == w.pods()[0].metadata.ownerReferences[0].uid


@pytest.mark.parametrize("error", [Unreachable("reset"), errors.Timeout("late")])
async def test_a_create_whose_answer_is_lost_is_not_repeated(error: Exception) -> None:
    async with world(ReplicaSetController) as w:
        w.api.hold_watches()
        w.api.fail("create", "pods", error, times=2, after=True)
        w.api.release_watches()
        await w.api.create(replicaset())
        await w.settle()
        await w.settle(30)
        assert len(w.pods()) == 3
        assert [a for a in w.writes() if a.startswith("delete")] == []


async def test_a_lost_answer_about_who_has_the_name_makes_no_second_pod() -> None:
    """The create is answered 409 the second time; whose pod that is, the server says only the third time."""
    async with world(ReplicaSetController) as w:
        await w.api.create(replicaset(replicas=1))
        w.api.hold_watches()
        w.api.fail("create", "pods", Unreachable("reset"), after=True)
        w.api.fail("get", "pods", Unreachable("reset"), times=2, after=True)
        w.api.release_watches()
        w.api.hold_watches()
        await w.settle(5)
        w.api.release_watches()
        await w.settle(30)
        assert len(w.pods()) == 1
        assert [a for a in w.writes() if a.startswith("delete")] == []


async def test_a_pod_heard_of_between_decision_and_create_is_decided_about_again() -> None:
    api = FakeApi()
    informers = Informers(api, api.clock, api.rng)
    pods = informers.of(core_v1.Pod)
    write = Writer(api, informers, api.rng)
    reference = meta_v1.OwnerReference(apiVersion="apps/v1", kind="ReplicaSet", name="web", uid="u", controller=True)

    def wanted() -> Any:
        return pod("", generateName="web-", ownerReferences=[reference])

    api.fail("create", "pods", Unreachable("reset"), after=True)
    with pytest.raises(Unreachable):
        await write.create_once("u", wanted())
    pods.observe(*api.all(core_v1.Pod))
    with pytest.raises(Outdated):
        await write.create_once("u", wanted())
    assert len(api.all(core_v1.Pod)) == 1
    await write.create_once("u", wanted())
    assert len(api.all(core_v1.Pod)) == 2


async def test_a_restarted_controller_goes_on_where_the_last_ended() -> None:
    async with world(ReplicaSetController) as w:
        await w.api.create(replicaset(replicas=20))
        for _ in range(12):
            await w.stop()
            await w.start()
        await w.settle(30)
        assert len(w.pods()) == 20


async def test_a_watch_reset_loses_no_deletion() -> None:
    async with world(ReplicaSetController) as w:
        await w.api.create(replicaset())
        await w.settle()
        w.api.hold_watches()
        w.api.remove(core_v1.Pod, w.pods()[0].metadata.name, "a")
        w.api.compact()
        w.api.release_watches()
        await w.settle(60)
        assert len(w.pods()) == 3


async def test_a_refused_template_costs_one_call_a_try_and_says_so() -> None:
    async with world(ReplicaSetController) as w:
        w.api.fail("create", "pods", errors.forbidden("", "pods", "web-", "exceeded quota"), times=6)
        await w.api.create(replicaset(replicas=100))
        await w.settle()
        (rs,) = w.api.all(apps_v1.ReplicaSet)
        (failure,) = rs.status.conditions
        assert (failure.type, failure.reason) == ("ReplicaFailure", "FailedCreate")
        assert "exceeded quota" in failure.message
        await w.settle(30)
        (rs,) = w.api.all(apps_v1.ReplicaSet)
        assert (rs.status.replicas, rs.status.conditions) == (100, None)


async def test_scaling_down_deletes_by_rank() -> None:
    async with world(ReplicaSetController) as w:
        await w.api.create(replicaset())
        await w.settle()
        ready = w.pods()[1].metadata.name
        w.become_ready(ready)
        w.api.change(apps_v1.ReplicaSet, "web", "a", lambda rs: setattr(rs.spec, "replicas", 1))
        await w.settle()
        assert [p.metadata.name for p in w.pods()] == [ready]


async def test_orphans_are_adopted_and_strangers_released() -> None:
    async with world(ReplicaSetController) as w:
        w.api.add(pod("orphan"), pod("other", labels={"app": "db"}))
        rs = await w.api.create(replicaset(replicas=1))
        await w.settle()
        (mine,) = [p for p in w.pods() if p.metadata.ownerReferences]
        assert mine.metadata.name == "orphan"
        w.api.change(core_v1.Pod, "orphan", "a", lambda p: setattr(p.metadata, "labels", {"app": "lab"}))
        await w.settle()
        names = {p.metadata.name for p in w.pods() if p.metadata.ownerReferences}
        assert len(names) == 1
        assert "orphan" not in names
        assert rs.metadata.uid


async def test_a_set_being_deleted_is_left_to_the_garbage_collector() -> None:
    async with world(ReplicaSetController) as w:
        going = replicaset()
        going.metadata.deletionTimestamp = "2026-01-01T00:00:00Z"
        going.metadata.finalizers = ["foregroundDeletion"]
        w.api.add(going, pod("orphan"))
        await w.settle()
        assert len(w.pods()) == 1
        assert not w.pods()[0].metadata.ownerReferences


async def test_min_ready_seconds_are_waited_for() -> None:
    async with world(ReplicaSetController) as w:
        await w.api.create(replicaset(minReadySeconds=30))
        await w.settle()
        w.become_ready()
        await w.settle(5)
        assert w.api.all(apps_v1.ReplicaSet)[0].status.availableReplicas is None
        await w.settle(30)
        assert w.api.all(apps_v1.ReplicaSet)[0].status.availableReplicas == 3


async def test_a_replication_controller_does_the_same() -> None:
    async with world(ReplicationControllerController) as w:
        source = replicaset(replicas=2)
        await w.api.create(
            core_v1.ReplicationController(
                metadata=meta("web"),
                spec=core_v1.ReplicationControllerSpec(
                    replicas=2, selector={"app": "web"}, template=source.spec.template
                ),
            )
        )
        await w.settle()
        assert len(w.pods()) == 2
        assert w.pods()[0].metadata.ownerReferences[0].kind == "ReplicationController"


def test_burst_bounds_one_step() -> None:
    assert decide.plan(replicaset(replicas=2000), [], list, 0).create == decide.BURST


def test_pods_are_ranked_as_documented() -> None:
    now = 1_767_225_600.0 + 86_400

    def make(name: str, node: str | None = "n1", ready: bool = True, **options: Any) -> Any:
        made = pod(name, creationTimestamp=options.pop("created", "2026-01-01T00:00:00Z"), uid=name)
        made.spec.nodeName = node
        since = options.pop("since", "2026-01-01T00:00:00Z")
        condition = core_v1.PodCondition(type="Ready", status=str(ready), lastTransitionTime=since)
        restarts = [core_v1.ContainerStatus(name="app", restartCount=options.pop("restarts", 0))]
        made.status = core_v1.PodStatus(phase=options.pop("phase", "Running"), conditions=[condition])
        made.status.containerStatuses = restarts
        made.metadata.annotations = options.pop("annotations", None)
        return made

    ranked = [
        make("unassigned", node=None, ready=False, phase="Pending"),
        make("pending", ready=False, phase="Pending"),
        make("not-ready", ready=False),
        make("cheap", annotations={ranking.DELETION_COST: "-5"}),
        make("doubled-young", since="2026-01-01T23:00:00Z"),
        make("doubled-restarted", restarts=7),
        make("doubled-newer", created="2026-01-01T12:00:00Z"),
        make("doubled"),
        make("alone", node="n2"),
        make("dear", node="n2", annotations={ranking.DELETION_COST: "5"}),
    ]
    for count in range(1, len(ranked)):
        chosen = ranking.to_delete(count, ranked[::-1], ranked, now)
        assert [p.metadata.name for p in chosen] == [p.metadata.name for p in ranked[:count]]


def test_a_bad_deletion_cost_counts_as_none() -> None:
    assert ranking.deletion_cost(pod("p", annotations={ranking.DELETION_COST: "much"})) == 0


def test_an_owner_reference_names_its_kind() -> None:
    rs = replicaset()
    rs.metadata.uid = "u"
    expected = meta_v1.OwnerReference(
        apiVersion="apps/v1", kind="ReplicaSet", name="web", uid="u", controller=True, blockOwnerDeletion=True
    )
    assert reference_to(rs) == expected
