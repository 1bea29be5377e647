"""The garbage collector: dependents go, wait or stay as the way of deleting asks."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.api.errors import InternalError
from sampan.api.kinds import apps_v1, coordination_v1, core_v1, meta_v1
from sampan.controllers.deployment.controller import DeploymentController
from sampan.controllers.garbage.controller import GarbageCollector
from sampan.controllers.replicaset.controller import ReplicaSetController
from tests.unit.controllers.harness import World, deployment, replicaset, world


def ref(owner: Any, *, block: bool = True, uid: str | None = None) -> Any:
    return meta_v1.OwnerReference(
        apiVersion=owner.apiVersion,
        kind=owner.kind,
        name=owner.metadata.name,
        uid=uid or owner.metadata.uid,
        blockOwnerDeletion=block,
    )


def config(name: str, *owners: Any, namespace: str = "a", **fields: Any) -> Any:
    metadata = meta_v1.ObjectMeta(name=name, namespace=namespace, ownerReferences=list(owners) or None, **fields)
    return core_v1.ConfigMap(metadata=metadata)


def names(w: World) -> list[str]:
    return [c.metadata.name for c in w.api.all(core_v1.ConfigMap)]


async def test_in_the_background_the_owner_goes_first() -> None:
    async with world(GarbageCollector) as w:
        owner = await w.api.create(replicaset())
        w.api.add(*(config(f"c{n}", ref(owner)) for n in range(5)), config("free"))
        await w.settle()
        w.writes()
        await w.api.delete(apps_v1.ReplicaSet, "web", "a", propagation_policy="Background")
        await w.settle()
        assert names(w) == ["free"]
        assert len(w.writes()) == 6


async def test_a_chain_and_a_cluster_scoped_owner_are_followed() -> None:
    async with world(GarbageCollector) as w:
        (node,) = w.api.add(core_v1.Node(metadata=meta_v1.ObjectMeta(name="n0")))
        lease = coordination_v1.Lease(
            metadata=meta_v1.ObjectMeta(name="n0", namespace="kube-node-lease", ownerReferences=[ref(node)])
        )
        (lease,) = w.api.add(lease)
        w.api.add(config("deep", ref(lease), namespace="kube-node-lease"))
        await w.settle()
        await w.api.delete(core_v1.Node, "n0")
        await w.settle()
        assert w.api.all(coordination_v1.Lease) == []
        assert names(w) == []


async def test_in_the_foreground_the_owner_waits_for_those_that_block_it() -> None:
    async with world(GarbageCollector) as w:
        owner = await w.api.create(replicaset())
        held = config("held", ref(owner), finalizers=["example.com/hold"])
        w.api.add(held, config("free", ref(owner, block=False), finalizers=["example.com/hold"]))
        await w.settle()
        await w.api.delete(apps_v1.ReplicaSet, "web", "a", propagation_policy="Foreground")
        await w.settle(5)
        assert len(w.api.all(apps_v1.ReplicaSet)) == 1
        assert all(c.metadata.deletionTimestamp for c in w.api.all(core_v1.ConfigMap))
        w.api.remove(core_v1.ConfigMap, "held", "a")
        await w.settle(5)
        assert w.api.all(apps_v1.ReplicaSet) == []
        assert names(w) == ["free"]


async def test_a_whole_deployment_goes_in_the_foreground() -> None:
    async with world(DeploymentController, ReplicaSetController, GarbageCollector) as w:
        await w.api.create(deployment())
        await w.settle(1)
        w.become_ready()
        await w.settle(1)
        await w.api.delete(apps_v1.Deployment, "web", "a", propagation_policy="Foreground")
        await w.settle(5)
        assert len(w.api.all(apps_v1.Deployment)) == 1
        assert len(w.api.all(apps_v1.ReplicaSet)) == 1
        w.end_pods()
        await w.settle(5)
        assert w.api.all(apps_v1.Deployment) == []
        assert w.api.all(apps_v1.ReplicaSet) == []


async def test_orphaning_cuts_dependents_loose() -> None:
    async with world(GarbageCollector) as w:
        owner = await w.api.create(replicaset())
        other = w.api.add(config("other"))[0]
        w.api.add(config("one", ref(owner)), config("two", ref(owner), ref(other)))
        await w.settle()
        await w.api.delete(apps_v1.ReplicaSet, "web", "a", propagation_policy="Orphan")
        await w.settle(5)
        assert w.api.all(apps_v1.ReplicaSet) == []
        assert names(w) == ["one", "other", "two"]
        assert w.api.peek(core_v1.ConfigMap, "one", "a").metadata.ownerReferences is None
        assert len(w.api.peek(core_v1.ConfigMap, "two", "a").metadata.ownerReferences) == 1


async def test_one_owner_that_stands_is_enough() -> None:
    async with world(GarbageCollector) as w:
        owner = await w.api.create(replicaset())
        other = w.api.add(config("other"))[0]
        w.api.add(config("shared", ref(owner), ref(other)))
        await w.settle()
        await w.api.delete(apps_v1.ReplicaSet, "web", "a")
        await w.settle()
        (left,) = w.api.peek(core_v1.ConfigMap, "shared", "a").metadata.ownerReferences
        assert left.name == "other"


async def test_an_owner_that_never_was_is_asked_for_before_anything_is_deleted() -> None:
    async with world(GarbageCollector) as w:
        ghost = replicaset("ghost")
        w.api.add(config("lost", ref(ghost, uid="never")))
        await w.settle()
        assert names(w) == []
        assert "get replicasets a/ghost" in [str(action) for action in w.api.actions]


async def test_an_owner_of_an_unknown_kind_keeps_its_dependents() -> None:
    async with world(GarbageCollector) as w:
        strange = meta_v1.OwnerReference(apiVersion="example.com/v1", kind="Thing", name="t", uid="u")
        w.api.add(config("kept", strange))
        await w.settle(60)
        w.writes(events=True)
        before = _reconciled(w)
        await w.settle(3600)
        assert names(w) == ["kept"]
        assert w.writes(events=True) == []
        assert _reconciled(w) == before


def _reconciled(w: World) -> int:
    assert w.manager is not None
    (collector,) = w.manager.controllers
    return int(collector.statistics()["reconciled"])


async def test_once_the_kind_of_an_owner_is_known_it_is_asked_for() -> None:
    async with world(GarbageCollector) as w:
        await w.stop()
        w.api.not_served.add("leases")
        await w.start()
        lease = coordination_v1.Lease(metadata=meta_v1.ObjectMeta(name="l", namespace="a"))
        lease.apiVersion, lease.kind = "coordination.k8s.io/v1", "Lease"
        w.api.add(config("lost", ref(lease, uid="never")))
        await w.settle(125)
        assert names(w) == ["lost"]
        w.api.not_served.clear()
        await w.settle(125)
        assert names(w) == []


async def test_a_kind_that_is_not_served_for_a_while_takes_nothing_with_it() -> None:
    """A server behind the API server may be away: its objects are not gone."""
    async with world(GarbageCollector) as w:
        (lease,) = w.api.add(coordination_v1.Lease(metadata=meta_v1.ObjectMeta(name="l", namespace="a")))
        w.api.add(config("c", ref(lease)))
        await w.settle(1)
        w.api.not_served.add("leases")
        await w.settle(125)
        assert names(w) == ["c"]
        w.api.not_served.clear()
        await w.settle(125)
        assert names(w) == ["c"]
        await w.api.delete(coordination_v1.Lease, "l", "a")
        await w.settle(1)
        assert names(w) == []


async def test_an_owner_in_another_namespace_does_not_count() -> None:
    async with world(GarbageCollector) as w:
        owner = w.api.add(config("owner", namespace="b"))[0]
        w.api.add(config("lost", ref(owner)))
        await w.stop()
        await w.start()
        assert names(w) == ["owner"]


async def test_what_was_lost_while_it_was_away_is_collected() -> None:
    async with world(GarbageCollector) as w:
        owner = await w.api.create(replicaset())
        w.api.add(config("c", ref(owner)))
        await w.stop()
        await w.api.delete(apps_v1.ReplicaSet, "web", "a")
        assert names(w) == ["c"]
        await w.start()
        assert names(w) == []


@pytest.mark.parametrize("verb", ["delete", "get", "list", "watch"])
async def test_failures_are_retried(verb: str) -> None:
    async with world(GarbageCollector) as w:
        owner = await w.api.create(replicaset())
        w.api.add(*(config(f"c{n}", ref(owner)) for n in range(3)))
        await w.settle()
        await w.api.delete(apps_v1.ReplicaSet, "web", "a")
        w.api.fail(verb, error=InternalError("broken"), times=3)
        await w.settle(60)
        assert names(w) == []


async def test_objects_that_wait_for_each_other_are_cut_free() -> None:
    async with world(GarbageCollector) as w:
        one, two = w.api.add(config("one"), config("two"))
        w.api.change(core_v1.ConfigMap, "one", "a", lambda c: setattr(c.metadata, "ownerReferences", [ref(two)]))
        w.api.change(core_v1.ConfigMap, "two", "a", lambda c: setattr(c.metadata, "ownerReferences", [ref(one)]))
        await w.settle()
        await w.api.delete(core_v1.ConfigMap, "one", "a", propagation_policy="Foreground")
        await w.settle(60)
        assert names(w) == []


async def test_nothing_to_collect_is_nothing_to_write() -> None:
    async with world(GarbageCollector) as w:
        owner = await w.api.create(replicaset())
        w.api.add(config("c", ref(owner)), config("x", ref(owner)))
        await w.settle()
        w.writes()
        await w.settle(3600)
        assert w.writes() == []


async def test_a_kind_that_cannot_be_listed_holds_up_no_other() -> None:
    async with world(GarbageCollector) as w:
        await w.stop()
        w.api.fail("list", "secrets", InternalError("broken"), times=100_000)
        owner = await w.api.create(replicaset())
        w.api.add(config("c", ref(owner)))
        await w.start()
        await w.settle(35)
        await w.api.delete(apps_v1.ReplicaSet, "web", "a")
        await w.settle(1)
        assert names(w) == []


async def test_kinds_come_and_go() -> None:
    async with world(GarbageCollector) as w:
        await w.stop()
        w.api.not_served.add("leases")
        await w.start()
        (collector,) = w.manager.controllers if w.manager else ()
        before = len(collector.monitors)
        w.api.not_served.clear()
        await w.settle(125)
        assert len(collector.monitors) == before + 1
        owner = await w.api.create(replicaset())
        metadata = meta_v1.ObjectMeta(name="l", namespace="a", ownerReferences=[ref(owner)])
        w.api.add(coordination_v1.Lease(metadata=metadata))
        await w.settle(1)
        await w.api.delete(apps_v1.ReplicaSet, "web", "a")
        await w.settle(1)
        assert w.api.all(coordination_v1.Lease) == []
        w.api.not_served.add("leases")
        await w.settle(125)
        assert len(collector.monitors) == before
