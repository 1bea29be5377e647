"""Topology aware hints: endpoints by each zone's share of the CPUs, or none at all."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from sampan.api.kinds import core_v1, discovery_v1, meta_v1
from sampan.controllers.endpoints import zoneshares
from sampan.controllers.endpoints.slices import EndpointSliceController
from tests.unit.controllers.harness import World, world
from tests.unit.controllers.test_endpoints import running, service, slices

AUTO = {"service.kubernetes.io/topology-mode": "Auto"}


def node(name: str, zone: str = "a", cpu: str = "4", ready: str = "True", **labels: str) -> Any:
    labels = {"topology.kubernetes.io/zone": zone, **labels} if zone else labels
    status = core_v1.NodeStatus(
        allocatable={"cpu": cpu}, conditions=[core_v1.NodeCondition(type="Ready", status=ready)]
    )
    return core_v1.Node(metadata=meta_v1.ObjectMeta(name=name, labels=labels), status=status)


def shares(*nodes: Any) -> dict[str, float]:
    return zoneshares.shares(found for one in nodes if (found := zoneshares.capacity(one)) is not None)


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([node("1", "a"), node("2", "b")], {"a": 0.5, "b": 0.5}),
        ([node("1", "a", "6"), node("2", "b", "1500m"), node("3", "b", "500m")], {"a": 0.75, "b": 0.25}),
        ([node("1", "a"), node("2", "a")], {}),
        ([node("1", "a"), node("2", "b"), node("3", "")], {}),
        ([node("1", "a"), node("2", "b", "0")], {}),
        ([node("1", "a"), node("2", "b"), node("3", "", ready="False")], {"a": 0.5, "b": 0.5}),
        (
            [node("1", "a"), node("2", "b"), node("3", "", **{"node-role.kubernetes.io/control-plane": ""})],
            {"a": 0.5, "b": 0.5},
        ),
    ],
)
def test_shares_are_of_ready_nodes_cpus(nodes: list[Any], expected: dict[str, float]) -> None:
    assert shares(*nodes) == expected


@pytest.mark.parametrize(
    ("of", "count", "expected"),
    [
        ({"a": 0.5, "b": 0.5}, 10, {"a": (5, 5, 5.0), "b": (5, 5, 5.0)}),
        ({"a": 0.75, "b": 0.25}, 8, {"a": (5, 6, 6.0), "b": (2, 3, 2.0)}),
        ({}, 8, zoneshares.NODES_UNKNOWN),
        ({"a": 0.4, "b": 0.3, "c": 0.3}, 2, f"{zoneshares.TOO_FEW} (2 endpoints, 3 zones)"),
        ({"a": 0.4, "b": 0.3, "c": 0.3}, 3, f"{zoneshares.TOO_UNEVEN} (3 endpoints, 3 zones)"),
    ],
)
def test_a_zone_gets_its_share_or_nobody_does(of: dict[str, float], count: int, expected: Any) -> None:
    if isinstance(expected, str):
        with pytest.raises(zoneshares.Impossible) as error:
            zoneshares.allocations(of, count)
        assert str(error.value) == expected
    else:
        found = zoneshares.allocations(of, count)
        assert {zone: (each.minimum, each.maximum, each.desired) for zone, each in found.items()} == expected


def hinted(w: World) -> Counter[str]:
    """How many endpoints are for each zone; under "" those for none."""
    return Counter(e.hints.forZones[0].name if e.hints else "" for one in slices(w) for e in one.endpoints or ())


def events(w: World) -> list[tuple[str, str, str]]:
    return [(one.type, one.reason, one.message) for one in w.api.all(core_v1.Event, "a")]


async def annotate(w: World, annotations: Any) -> None:
    w.api.change(core_v1.Service, "web", "a", lambda s: setattr(s.metadata, "annotations", annotations))
    await w.settle(5)


async def test_zones_give_what_they_have_too_much_of_and_it_stays_put() -> None:
    async with world(EndpointSliceController) as w:
        w.api.add(node("node-1", "a"), node("node-2", "b"), *(running(n) for n in range(150)))
        await w.api.create(service())
        await w.settle()
        assert hinted(w) == {"": 150}
        await annotate(w, AUTO)
        assert hinted(w) == {"a": 75, "b": 75}
        w.writes()
        w.api.add(*(running(n) for n in range(200, 210)))
        await w.settle(5)
        assert hinted(w) == {"a": 80, "b": 80}
        assert [text.split()[0] for text in w.writes()] == ["update"], "full slices keep what they have"
        w.api.remove(core_v1.Node, "node-2")
        await w.settle(5)
        assert hinted(w) == {"": 160}
        w.api.add(node("node-2", "b"))
        await w.settle(5)
        assert hinted(w) == {"a": 80, "b": 80}
        w.writes()
        await w.settle(3600)
        assert w.writes() == []


async def test_events_say_when_hints_come_and_go() -> None:
    async with world(EndpointSliceController) as w:
        w.api.add(node("node-1", "a"), node("node-2", "b"), *(running(n) for n in range(4)))
        await w.api.create(service(trafficDistribution="PreferSameNode"))
        await annotate(w, AUTO)
        assert hinted(w) == {"a": 2, "b": 2}, "the annotation goes before the field"
        await annotate(w, None)
        assert [e.hints.forNodes for one in slices(w) for e in one.endpoints] == [
            [discovery_v1.ForNode(name="node-1")]
        ] * 4
        w.api.remove(core_v1.Node, "node-2")
        await annotate(w, AUTO)
        assert events(w) == [
            ("Normal", "TopologyAwareHintsEnabled", "Topology Aware Hints has been enabled, addressType: IPv4"),
            ("Warning", "TopologyAwareHintsDisabled", "Topology Aware Hints has been disabled, addressType: IPv4"),
            ("Warning", "TopologyAwareHintsDisabled", f"{zoneshares.NODES_UNKNOWN}, addressType: IPv4"),
        ]
