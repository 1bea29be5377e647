"""Whether a node takes a pod: the judgement, and what a pod that is not taken shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from sampan.api.kinds import core_v1
from sampan.kubelet.podadmission import judged
from sampan.kubelet.preemption import victims
from sampan.kubelet.static.marks import SOURCE

from .harness import Node, node

TOLERATES = {"key": "node.kubernetes.io/memory-pressure", "operator": "Exists"}
ELSEWHERE = "NodeAffinity: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
TAKEN = "NodePorts: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
TAINTED = "TaintToleration: Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate"
THERE = {"cpu": "4", "memory": "8Gi", "pods": "3"}


def pod(name: str = "p", *, metadata: dict[str, Any] | None = None, **spec: Any) -> Any:
    containers = [{"name": "c", **c} for c in spec.pop("containers", [{}])]
    body = {"metadata": {"name": name, "uid": name, **(metadata or {})}, "spec": {"containers": containers, **spec}}
    return msgspec.convert(body, core_v1.Pod)


def requests(**amounts: str) -> dict[str, Any]:
    return {"containers": [{"resources": {"requests": amounts}}]}


def port(number: int, **more: str) -> dict[str, Any]:
    return {"containers": [{"ports": [{"containerPort": 80, "hostPort": number, **more}]}]}


def requiring(*terms: dict[str, Any]) -> dict[str, Any]:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"affinity": {"nodeAffinity": required}}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


def told(made: Any, others: list[Any], pressures: tuple[str, ...] = (), here: Any = None) -> str:
    found = judged(made, others, THERE, pressures, here)
    return f"{found.reason}: {found.message}" if found else ""


@pytest.mark.parametrize(
    ("made", "pressures", "reason"),
    [
        (pod(), [], ""),
        (pod(), ["MemoryPressure"], "Evicted: The node had condition: [MemoryPressure]. "),
        (pod(**requests(cpu="1m")), ["MemoryPressure"], ""),
        (pod(tolerations=[TOLERATES]), ["MemoryPressure"], ""),
        (pod(**requests(cpu="1m")), ["DiskPressure"], "Evicted: The node had condition: [DiskPressure]. "),
        (pod(priority=2_000_000_000), ["DiskPressure"], ""),
        (
            pod(os={"name": "windows"}),
            [],
            "PodOSNotSupported: Failed to admit pod as the OS field doesn't match node OS",
        ),
        (
            pod(metadata={"labels": {"kubernetes.io/os": "windows"}}),
            [],
            "PodOSSelectorNodeLabelDoesNotMatch: "
            "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
        ),
        (
            pod(**requests(cpu="3500m")),
            [],
            "OutOfcpu: Node didn't have enough resource: cpu, requested: 3500, used: 1000, capacity: 4000",
        ),
        (
            pod(**requests(**{"hugepages-2Mi": "2Mi"})),
            [],
            "OutOfhugepages-2Mi: "
            "Node didn't have enough resource: hugepages-2Mi, requested: 2097152, used: 0, capacity: 0",
        ),
        # Not this node's to count.
        (pod(**requests(**{"a.example/gpu": "1"})), [], ""),
    ],
)
def test_pods_at_the_door(made: Any, pressures: list[str], reason: str) -> None:
    assert told(made, [pod("a", **requests(cpu="1"))], tuple(pressures)) == reason


def test_a_full_node() -> None:
    others = [pod("a"), pod("b"), pod("c")]
    assert told(pod(), others).startswith("OutOfpods: ")
    others[0].status = core_v1.PodStatus(phase="Succeeded")
    assert told(pod(), others) == ""


HERE = core_v1.Node(
    metadata=msgspec.convert({"name": "n1", "labels": {"disk": "ssd", "cores": "8"}}, type(pod().metadata)),
    spec=core_v1.NodeSpec(taints=[core_v1.Taint(key="repair", value="yes", effect="NoExecute")]),
)
STAYS = {"tolerations": [{"key": "repair", "operator": "Equal", "value": "yes"}]}


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (pod(nodeSelector={"disk": "ssd"}, **STAYS), ""),
        (pod(nodeSelector={"disk": "hdd"}, **STAYS), ELSEWHERE),
        (pod(**requiring({"matchExpressions": [expression("cores", "Gt", "4")]}), **STAYS), ""),
        (pod(**requiring({"matchExpressions": [expression("cores", "Lt", "4")]}), **STAYS), ELSEWHERE),
        (pod(**requiring({"matchFields": [expression("metadata.name", "In", "n1")]}), **STAYS), ""),
        (pod(**requiring({}, {"matchFields": [expression("metadata.name", "In", "n2")]}), **STAYS), ELSEWHERE),
        (pod(), TAINTED),
        (pod(metadata={"annotations": {SOURCE: "file"}}), ""),
    ],
)
def test_the_nodes_labels_and_taints(made: Any, reason: str) -> None:
    assert told(made, [], here=HERE) == reason


@pytest.mark.parametrize(
    ("wanted", "collides"),
    [
        (port(8080), True),
        (port(8080, hostIP="192.0.2.1"), True),
        (port(8080, hostIP="192.0.2.2"), False),
        (port(8080, protocol="UDP"), False),
        (port(8081), False),
    ],
)
def test_ports_of_the_node(wanted: dict[str, Any], collides: bool) -> None:
    there = [pod("a", **port(8080, hostIP="192.0.2.1"))]
    assert told(pod(**wanted), there) == (TAKEN if collides else "")


async def test_a_pod_that_is_not_taken_shows_why_and_nothing_else(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod(nodeSelector={"disk": "hdd"})
        await n.advance(1)
        status = n.status()
        assert (status.phase, status.reason) == ("Failed", "NodeAffinity")
        assert status.message == "Pod was rejected: " + ELSEWHERE.partition(": ")[2]
        # kubectl would show the state of a container in the reason's place.
        assert status.containerStatuses is None
        assert ELSEWHERE in n.events()
        await n.delete(grace=0)
        await n.advance(5)
        assert n.get() is None
        assert not list(n.kubelet.pods.all())


SMALL, LARGE = requests(cpu="500m"), requests(cpu="2")
SURE = {
    "containers": [{"resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}}]
}


@pytest.mark.parametrize(
    ("missing", "gone"),
    [
        ({"cpu": 100}, ["small"]),
        ({"cpu": 1500}, ["large"]),
        ({"cpu": 2200}, ["large", "small"]),
        ({"cpu": 3000}, ["large", "sure"]),
        ({"memory": 1}, ["sure"]),
        ({"pods": 1}, ["none"]),
        ({"pods": 3}, ["none", "small", "large"]),
        ({"pods": 1, "cpu": 400}, ["small"]),
        ({"cpu": 9000}, None),
        ({"memory": 2 << 30}, None),
    ],
)
def test_who_makes_room(missing: dict[str, int], gone: list[str] | None) -> None:
    dear = pod("dear", priority=2_000_000_000, **LARGE)
    there = [pod("none"), pod("small", **SMALL), pod("large", **LARGE), pod("sure", **SURE), dear]
    found = victims(there, missing)
    assert (sorted(p.metadata.name for p in found) if found is not None else None) == (sorted(gone) if gone else None)


async def test_a_critical_pod_gets_room(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        for name in ("a", "b"):
            n.pod(name, containers=[{"name": "c", "resources": {"requests": {"cpu": "1500m"}}}])
        await n.advance(2)
        critical = {"priority": 2_000_000_000, "containers": [{"name": "c", **LARGE["containers"][0]}]}
        n.pod("windows", os={"name": "windows"}, **critical)
        await n.advance(2)
        assert n.status("windows").reason == "PodOSNotSupported"
        assert [n.status(name).phase for name in ("a", "b")] == ["Running", "Running"], "nobody goes in vain"
        n.pod("critical", **critical)
        await n.advance(40)
        assert n.status("critical").phase == "Running"
        ended = [n.status(name) for name in ("a", "b") if n.status(name).phase == "Failed"]
        assert [(s.reason, s.message) for s in ended] == [("Preempting", "Preempted in order to admit critical pod")]
        assert any((c.type, c.reason) == ("DisruptionTarget", "TerminationByKubelet") for c in ended[0].conditions)


async def full_of(n: Node, *names: str) -> None:
    """Pods that take most of the node, and do not end before they must."""
    for name in names:
        n.runtime.ignores_stop.add(name)
        containers = [{"name": name, "resources": {"requests": {"cpu": "1500m"}}}]
        n.pod(name, terminationGracePeriodSeconds=20, containers=containers)
    await n.advance(2)


CRITICAL = {"priority": 2_000_000_000, "containers": [{"name": "c", **LARGE["containers"][0]}]}


async def test_a_critical_pod_starts_when_its_victims_have_ended(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        await full_of(n, "a", "b")
        n.pod("critical", **CRITICAL)
        await n.advance(15)
        assert sorted(n.runtime.running()) == ["a", "b"]
        assert len(n.runtime.sandboxes) == 2
        await n.advance(10)
        assert "c" in n.runtime.running() and len(n.runtime.running()) == 2
        assert n.status("critical").phase == "Running"


async def test_a_critical_pod_that_is_deleted_waits_for_nobody(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        await full_of(n, "a", "b")
        n.pod("critical", **CRITICAL)
        await n.advance(5)
        await n.delete("critical")
        await n.advance(1)
        assert n.get("critical") is None
        assert sorted(n.runtime.running()) == ["a", "b"]


async def test_a_critical_pod_waits_through_a_restart(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        await full_of(n, "a", "b")
        n.pod("critical", **CRITICAL)
        await n.advance(5)
        await n.stop()
        await n.start()
        await n.advance(10)
        assert sorted(n.runtime.running()) == ["a", "b"]
        await n.advance(30)
        assert "c" in n.runtime.running() and len(n.runtime.running()) == 2


async def test_a_label_that_was_set_a_moment_ago_is_known(tmp_path: Path) -> None:
    """The scheduler may hear of it before this node's watch does."""
    async with node(tmp_path) as n:
        before = n.kubelet._node.latest
        await n.api.patch(core_v1.Node, "n1", None, {"metadata": {"labels": {"disk": "hdd"}}})
        await n.advance(1)
        n.kubelet._node.latest = before
        n.pod(nodeSelector={"disk": "hdd"})
        await n.advance(5)
        assert n.status().phase == "Running"


async def test_the_place_of_a_pod_that_is_gone_from_the_api_is_free(tmp_path: Path) -> None:
    """Deleted without grace it is the scheduler's to give away, though its processes may still end."""
    async with node(tmp_path, max_pods=1) as n:
        n.pod("first")
        await n.advance(2)
        n.runtime.fail("stop_sandbox", "it hangs", times=1000)
        n.api.remove(core_v1.Pod, "first", "default")
        n.pod("second")
        await n.advance(3)
        assert n.status("second").phase == "Running"
        n.pod("third")
        await n.advance(3)
        assert n.status("third").reason == "OutOfpods"
