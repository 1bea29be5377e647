"""Nodes that fall silent: conditions, taints, eviction, and pods nobody will end."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.aio.clock import micro_timestamp, timestamp
from sampan.api.kinds import coordination_v1, core_v1, meta_v1
from sampan.client.errors import Unreachable
from sampan.controllers.context import Config
from sampan.controllers.node import tolerance
from sampan.controllers.node.eviction import TaintEvictionController
from sampan.controllers.node.lifecycle import NodeLifecycleController
from sampan.controllers.node.podgc import PodGcController
from sampan.controllers.node.zones import Zones
from tests.unit.controllers.harness import World, pod, world

BOTH = (NodeLifecycleController, TaintEvictionController)
TOLERATION = core_v1.Toleration(
    key="node.kubernetes.io/unreachable", operator="Exists", effect="NoExecute", tolerationSeconds=300
)


def node(name: str, ready: str | None = "True", **fields: Any) -> Any:
    beat = "2026-01-01T00:00:00Z"
    conditions = [core_v1.NodeCondition(type="Ready", status=ready, lastHeartbeatTime=beat)] if ready else None
    return core_v1.Node(
        metadata=meta_v1.ObjectMeta(name=name, creationTimestamp=beat, **fields),
        spec=core_v1.NodeSpec(),
        status=core_v1.NodeStatus(conditions=conditions),
    )


def lease(name: str) -> Any:
    return coordination_v1.Lease(
        metadata=meta_v1.ObjectMeta(name=name, namespace="kube-node-lease"), spec=coordination_v1.LeaseSpec()
    )


def bound(name: str, to: str, **spec: Any) -> Any:
    made = pod(name)
    made.spec = core_v1.PodSpec(nodeName=to, containers=[], **spec)
    ready = core_v1.PodCondition(type="Ready", status="True", lastTransitionTime="2026-01-01T00:00:00Z")
    made.status = core_v1.PodStatus(phase="Running", podIP="10.0.0.1", conditions=[ready])
    return made


async def live(w: World, seconds: int, *names: str) -> None:
    """Those nodes renew their leases every ten seconds."""
    for _ in range(seconds // 10):
        for name in names:
            renewed = micro_timestamp(w.clock.now())
            change = lambda one, renewed=renewed: setattr(one.spec, "renewTime", renewed)  # noqa: E731
            w.api.change(coordination_v1.Lease, name, "kube-node-lease", change)
        await w.settle(10)


def ready(w: World, name: str) -> str:
    return next(c.status for c in w.api.peek(core_v1.Node, name).status.conditions if c.type == "Ready")


def tainted(w: World, name: str) -> set[tuple[str, str]]:
    return {(t.key.split("/")[1], t.effect) for t in w.api.peek(core_v1.Node, name).spec.taints or ()}


async def five(w: World) -> None:
    for number in range(5):
        w.api.add(node(f"n{number}"), lease(f"n{number}"))
    await w.settle()


async def test_a_silent_node_is_lost_tainted_and_its_pods_move() -> None:
    async with world(*BOTH) as w:
        await five(w)
        w.api.add(bound("patient", "n0", tolerations=[TOLERATION]), bound("impatient", "n0"), bound("fine", "n1"))
        await live(w, 40, "n1", "n2", "n3", "n4")
        assert ready(w, "n0") == "True"
        await live(w, 20, "n1", "n2", "n3", "n4")
        assert ready(w, "n0") == "Unknown"
        assert tainted(w, "n0") == {("unreachable", "NoSchedule"), ("unreachable", "NoExecute")}
        states = {p.metadata.name: (p.metadata.deletionTimestamp is not None) for p in w.api.all(core_v1.Pod)}
        assert states == {"patient": False, "impatient": True, "fine": False}
        patient = w.api.peek(core_v1.Pod, "patient", "a")
        assert [c.status for c in patient.status.conditions if c.type == "Ready"] == ["False"]
        await live(w, 310, "n1", "n2", "n3", "n4")
        patient = w.api.peek(core_v1.Pod, "patient", "a")
        assert patient.metadata.deletionTimestamp is not None
        assert [c.reason for c in patient.status.conditions if c.type == "DisruptionTarget"]
        assert ready(w, "n1") == "True"


def told(w: World, name: str) -> list[tuple[str, str]]:
    found = [one for one in w.api.all(core_v1.Event) if one.involvedObject.name == name]
    return [(one.reason, one.message) for one in found]


async def test_events_tell_of_a_node_and_of_its_pods() -> None:
    async with world(*BOTH) as w:
        await five(w)
        w.api.add(bound("web", "n0"))
        await live(w, 80, "n1", "n2", "n3", "n4")
        w.api.remove(core_v1.Node, "n0")
        await w.settle(5)
        assert told(w, "n0") == [
            ("RegisteredNode", "Node n0 event: Registered Node n0 in Controller"),
            ("NodeNotReady", "Node n0 status is now: NodeNotReady"),
            ("RemovingNode", "Node n0 event: Removing Node n0 from Controller"),
        ]
        assert told(w, "web") == [
            ("NodeNotReady", "Node is not ready"),
            ("TaintManagerEviction", "Marking for deletion Pod a/web"),
        ]


async def test_a_kubelet_that_says_it_is_not_ready_speaks_for_its_pods() -> None:
    async with world(*BOTH) as w:
        await five(w)
        w.api.add(bound("patient", "n0", tolerations=[core_v1.Toleration(operator="Exists")]))
        w.api.change(core_v1.Node, "n0", None, lambda one: setattr(one.status.conditions[0], "status", "False"))
        await live(w, 30, "n0", "n1", "n2", "n3", "n4")
        assert tainted(w, "n0") == {("not-ready", "NoSchedule"), ("not-ready", "NoExecute")}
        pod = w.api.peek(core_v1.Pod, "patient", "a")
        assert [c.status for c in pod.status.conditions] == ["True"]
        assert [reason for reason, _ in told(w, "n0")] == ["RegisteredNode"]


async def test_old_labels_follow_the_new() -> None:
    async with world(NodeLifecycleController) as w:
        w.api.add(node("n0", labels={"kubernetes.io/os": "linux", "beta.kubernetes.io/arch": "mine"}))
        await w.settle()
        labels = w.api.peek(core_v1.Node, "n0").metadata.labels
        assert labels["beta.kubernetes.io/os"] == "linux"
        assert labels["beta.kubernetes.io/arch"] == "mine"


async def test_a_node_that_comes_back_is_cleared_and_keeps_its_pods() -> None:
    async with world(*BOTH) as w:
        await five(w)
        w.api.add(bound("patient", "n0", tolerations=[TOLERATION]))
        others = ("n1", "n2", "n3", "n4")
        await live(w, 60, *others)
        assert tainted(w, "n0")

        def back(one: Any) -> None:
            beat = timestamp(w.clock.now())
            one.status.conditions = [core_v1.NodeCondition(type="Ready", status="True", lastHeartbeatTime=beat)]

        w.api.change(core_v1.Node, "n0", None, back)
        await live(w, 400, "n0", *others)
        assert tainted(w, "n0") == set()
        assert w.api.peek(core_v1.Pod, "patient", "a").metadata.deletionTimestamp is None


async def test_when_every_node_is_lost_nobody_is_evicted() -> None:
    async with world(*BOTH) as w:
        await five(w)
        w.api.add(bound("impatient", "n0"))
        await w.settle(120)
        assert ready(w, "n0") == "Unknown"
        assert all(("unreachable", "NoExecute") not in tainted(w, f"n{n}") for n in range(5))
        assert w.api.peek(core_v1.Pod, "impatient", "a").metadata.deletionTimestamp is None


async def test_a_server_that_was_away_loses_no_node() -> None:
    """While the API server is down nobody can renew a lease, and nobody can hear of it."""
    async with world(*BOTH) as w:
        await five(w)
        w.api.fail("*", "", Unreachable("down"), times=100_000)
        w.api.close_watches()
        await w.settle(300)
        w.api.recover()
        w.writes()
        await live(w, 60, "n0", "n1", "n2", "n3", "n4")
        assert w.writes() == []
        assert ready(w, "n0") == "True"


async def test_heartbeats_cause_no_writes() -> None:
    async with world(*BOTH) as w:
        await five(w)
        w.writes()
        await live(w, 600, "n0", "n1", "n2", "n3", "n4")
        assert w.writes() == []


async def test_conditions_and_cordon_become_taints() -> None:
    async with world(NodeLifecycleController) as w:
        await five(w)

        def press(one: Any) -> None:
            one.status.conditions.append(core_v1.NodeCondition(type="MemoryPressure", status="True"))
            one.spec.unschedulable = True
            one.spec.taints = [core_v1.Taint(key="mine/own", effect="NoSchedule")]

        w.api.change(core_v1.Node, "n0", None, press)
        await w.settle(1)
        expected = {"memory-pressure", "unschedulable", "own"}
        assert tainted(w, "n0") == {(key, "NoSchedule") for key in expected}


async def test_a_node_that_never_reported_is_given_a_minute() -> None:
    async with world(NodeLifecycleController) as w:
        w.api.add(node("new", ready=None), node("other"))
        await w.settle(50)
        assert not w.api.peek(core_v1.Node, "new").status.conditions
        assert tainted(w, "new") == set()
        await w.settle(15)
        assert ready(w, "new") == "Unknown"
        assert ("unreachable", "NoSchedule") in tainted(w, "new")


async def test_pods_of_a_node_that_is_gone_are_given_up() -> None:
    async with world(PodGcController) as w:
        w.api.add(node("n0"), bound("there", "n0"), bound("nowhere", "n9"))
        await w.settle(30)
        assert len(w.api.all(core_v1.Pod)) == 2
        await w.settle(15)
        assert [p.metadata.name for p in w.api.all(core_v1.Pod)] == ["there"]
        w.api.remove(core_v1.Node, "n0")
        await w.settle(41)
        assert w.api.all(core_v1.Pod) == []


async def test_only_so_many_ended_pods_are_kept() -> None:
    async with world(PodGcController, config=Config(terminated_pod_limit=2)) as w:
        w.api.add(node("n0"))
        for number in range(5):
            ended = bound(f"p{number}", "n0")
            ended.metadata.creationTimestamp = f"2026-01-01T00:00:0{number}Z"
            ended.status = core_v1.PodStatus(phase="Failed", reason="Evicted" if number == 3 else None)
            w.api.add(ended)
        await w.settle()
        assert [p.metadata.name for p in w.api.all(core_v1.Pod)] == ["p2", "p4"]


@pytest.mark.parametrize(
    ("tolerations", "stay"),
    [
        ([], 0.0),
        ([{"operator": "Exists"}], None),
        ([{"key": "k", "value": "v", "effect": "NoExecute"}], None),
        ([{"key": "k", "value": "other"}], 0.0),
        ([{"key": "k", "operator": "Exists", "tolerationSeconds": 30}], 20.0),
        ([{"key": "k", "operator": "Exists", "tolerationSeconds": 5}], 0.0),
        ([{"key": "k", "operator": "Exists", "effect": "NoSchedule"}], 0.0),
        ([{"operator": "Exists"}, {"key": "k", "operator": "Exists", "tolerationSeconds": 30}], None),
    ],
)
def test_how_long_a_pod_stays(tolerations: list[dict[str, Any]], stay: float | None) -> None:
    taint = core_v1.Taint(key="k", value="v", effect="NoExecute", timeAdded="2026-01-01T00:00:00Z")
    one = bound("p", "n", tolerations=[core_v1.Toleration(**fields) for fields in tolerations])
    assert tolerance.stays(one, [taint], 1_767_225_610.0) == stay


def test_an_excluded_node_says_nothing_about_its_zone() -> None:
    """Two of two that count are lost: with the excluded one, which is ready, it would be two of three."""
    zones = Zones(Config())
    excluded = {"node.kubernetes.io/exclude-disruption": ""}
    zones.update(node("odd", labels=excluded))
    assert not zones.all_lost
    zones.update(node("n0", ready="Unknown"))
    zones.update(node("n1", ready="Unknown"))
    assert zones.all_lost
    assert set(zones.failing()) == {"n0", "n1", "odd"}
    zones.update(node("odd"))
    assert not zones.all_lost
    zones.update(node("odd", labels=excluded))
    zones.remove("n0")
    zones.remove("n1")
    assert not zones.all_lost
    assert zones.may_taint_in("odd", 0.0) == 0.0


def test_zones_slow_down_when_much_is_lost() -> None:
    zones = Zones(Config())
    for number in range(100):
        zones.update(node(f"n{number}", ready="Unknown" if number < 10 else "True"))
    assert zones.may_taint_in("n0", 0) == 0.0
    assert zones.may_taint_in("n1", 0) == 10.0
    for number in range(60):
        zones.update(node(f"n{number}", ready="Unknown"))
    assert zones.may_taint_in("n1", 10) == 0.0
    assert zones.may_taint_in("n2", 10) == 100.0
    for number in range(100):
        zones.update(node(f"n{number}", ready="Unknown"))
    assert zones.may_taint_in("n2", 1000) is None
