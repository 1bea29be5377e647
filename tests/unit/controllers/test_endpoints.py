"""EndpointSlice and Endpoints: the right pods in the fewest writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sampan.api.kinds import core_v1, discovery_v1, meta_v1
from sampan.controllers.endpoints import facts, packing
from sampan.controllers.endpoints.legacy import OVER_CAPACITY, EndpointsController
from sampan.controllers.endpoints.mirroring import EndpointSliceMirroringController
from sampan.controllers.endpoints.slices import EndpointSliceController
from tests.unit.controllers.harness import World, defaulted, meta, pod, world


def node(name: str) -> Any:
    return core_v1.Node(metadata=meta_v1.ObjectMeta(name=name, labels={"topology.kubernetes.io/zone": "z1"}))


@asynccontextmanager
async def served(*controllers: Any) -> AsyncIterator[World]:
    """A world with the node on which the pods are."""
    async with world(*controllers) as w:
        w.api.add(node("node-1"))
        await w.settle()
        yield w


def service(name: str = "web", **spec: Any) -> Any:
    ports = spec.pop("ports", [core_v1.ServicePort(name="http", port=80, targetPort=8080)])
    fields = {"selector": {"app": "web"}, "clusterIP": "10.96.0.7", "ports": ports} | spec
    return defaulted(core_v1.Service(metadata=meta(name), spec=core_v1.ServiceSpec(**fields)))


def running(number: int, ready: bool = True, **fields: Any) -> Any:
    made = pod(f"web-{number:03}", **fields)
    made.spec.nodeName = "node-1"
    condition = core_v1.PodCondition(type="Ready", status=str(ready), lastTransitionTime="2026-01-01T00:00:00Z")
    ip = f"10.0.{number // 250}.{number % 250 + 1}"
    made.status = core_v1.PodStatus(phase="Running", podIP=ip, conditions=[condition])
    return made


def slices(w: World) -> list[Any]:
    return w.api.all(discovery_v1.EndpointSlice, "a")


def conditions(w: World) -> dict[str, tuple[bool, bool, bool]]:
    return {
        e.targetRef.name: (e.conditions.ready, e.conditions.serving, e.conditions.terminating)
        for one in slices(w)
        for e in one.endpoints or ()
    }


async def test_a_slice_says_who_serves_and_where() -> None:
    async with served(EndpointSliceController) as w:
        w.api.add(running(1), running(2, ready=False), pod("no-address"), running(3, labels={"app": "db"}))
        await w.api.create(service())
        await w.settle()
        (one,) = slices(w)
        assert conditions(w) == {"web-001": (True, True, False), "web-002": (False, False, False)}
        assert one.metadata.labels["kubernetes.io/service-name"] == "web"
        assert one.metadata.ownerReferences[0].kind == "Service"
        assert (one.addressType, one.ports[0].name, one.ports[0].port) == ("IPv4", "http", 8080)
        assert (one.endpoints[0].addresses, one.endpoints[0].zone) == (["10.0.0.2"], "z1")


async def test_a_terminating_pod_serves_but_is_not_ready() -> None:
    async with served(EndpointSliceController) as w:
        w.api.add(running(1), running(2))
        await w.api.create(service())
        await w.settle()
        await w.api.delete(core_v1.Pod, "web-001", "a")
        await w.settle()
        assert conditions(w)["web-001"] == (False, True, True)
        w.end_pods()
        await w.settle()
        assert list(conditions(w)) == ["web-002"]


HINTS = [
    (None, "z1", "n", None),
    ("PreferClose", "z1", "n", (["z1"], [])),
    ("PreferSameZone", "z1", "n", (["z1"], [])),
    ("PreferSameZone", None, "n", None),
    ("PreferSameNode", "z1", "n", (["z1"], ["n"])),
    ("PreferSameNode", None, "n", ([], ["n"])),
    ("PreferSameNode", None, None, None),
]


@pytest.mark.parametrize(("distribution", "zone", "on", "expected"), HINTS)
def test_hints_follow_the_traffic_distribution(distribution: Any, zone: Any, on: Any, expected: Any) -> None:
    one = running(1)
    one.spec.nodeName = on
    made = facts.hints(service(trafficDistribution=distribution), one, zone)
    found = made and ([z.name for z in made.forZones or ()], [n.name for n in made.forNodes or ()])
    assert found == expected


async def test_a_pod_whose_node_is_not_known_is_nowhere() -> None:
    async with served(EndpointSliceController) as w:
        lost = running(2)
        lost.spec.nodeName = "node-2"
        w.api.add(running(1), lost)
        await w.api.create(service())
        await w.api.create(service("regardless", publishNotReadyAddresses=True))
        await w.settle()
        found = {
            (one.metadata.labels["kubernetes.io/service-name"], endpoint.targetRef.name)
            for one in slices(w)
            for endpoint in one.endpoints
        }
        assert found == {("web", "web-001"), ("regardless", "web-001"), ("regardless", "web-002")}
        w.api.add(node("node-2"))
        await w.settle(6.0)
        assert sum(len(one.endpoints) for one in slices(w)) == 4


async def test_nothing_is_written_when_nothing_that_matters_changed() -> None:
    async with served(EndpointSliceController, EndpointsController) as w:
        w.api.add(running(1), running(2))
        await w.api.create(service())
        await w.settle()
        w.writes()
        w.api.change(core_v1.Pod, "web-001", "a", lambda p: setattr(p.metadata, "annotations", {"x": "y"}))
        w.api.change(core_v1.Service, "web", "a", lambda s: setattr(s.metadata, "annotations", {"x": "y"}))
        w.api.compact()
        await w.settle(3600)
        assert w.writes() == []


async def test_one_pod_more_or_less_writes_one_slice() -> None:
    async with served(EndpointSliceController) as w:
        w.api.add(*(running(n) for n in range(250)))
        await w.api.create(service())
        await w.settle()
        assert sorted(len(one.endpoints) for one in slices(w)) == [50, 100, 100]
        w.writes()
        w.api.add(running(400))
        await w.settle()
        assert len(w.writes()) == 1
        w.api.remove(core_v1.Pod, "web-007", "a")
        await w.settle()
        assert len(w.writes()) == 1
        assert len(conditions(w)) == 250


async def test_named_ports_group_pods_by_number() -> None:
    async with served(EndpointSliceController, EndpointsController) as w:
        for number, port in ((1, 8080), (2, 9090), (3, None)):
            made = running(number)
            ports = [core_v1.ContainerPort(name="web", containerPort=port)] if port else []
            made.spec.containers = [core_v1.Container(name="app", ports=ports)]
            w.api.add(made)
        await w.api.create(service(ports=[core_v1.ServicePort(port=80, targetPort="web")]))
        await w.settle()
        found = sorted([p.port for p in one.ports or ()] for one in slices(w))
        assert found == [[], [8080], [9090]]
        (endpoints,) = w.api.all(core_v1.Endpoints, "a")
        assert len(endpoints.subsets) == 3


async def test_a_service_without_pods_keeps_one_empty_slice() -> None:
    async with served(EndpointSliceController) as w:
        await w.api.create(service())
        await w.settle()
        (one,) = slices(w)
        assert not one.endpoints
        w.api.add(running(1))
        await w.settle()
        (two,) = slices(w)
        assert (two.metadata.name, len(two.endpoints)) == (one.metadata.name, 1)
        w.api.remove(core_v1.Pod, "web-001", "a")
        await w.settle()
        assert not slices(w)[0].endpoints


async def test_services_without_selector_and_external_names_are_left_alone() -> None:
    async with served(EndpointSliceController, EndpointsController) as w:
        w.api.add(running(1))
        await w.api.create(service("manual", selector=None))
        await w.api.create(service("elsewhere", type="ExternalName", clusterIP=None))
        await w.settle()
        assert slices(w) == []


async def test_headless_services_name_their_pods() -> None:
    async with served(EndpointSliceController) as w:
        made = running(1)
        made.spec.hostname, made.spec.subdomain = "db-0", "web"
        w.api.add(made)
        await w.api.create(service(clusterIP="None", ports=[]))
        await w.settle()
        (one,) = slices(w)
        assert one.endpoints[0].hostname == "db-0"
        assert "service.kubernetes.io/headless" in one.metadata.labels


async def test_a_changed_selector_and_unready_addresses_are_followed() -> None:
    async with served(EndpointSliceController) as w:
        w.api.add(running(1), running(2, ready=False, labels={"app": "db"}))
        await w.api.create(service())
        await w.settle()
        w.api.change(core_v1.Service, "web", "a", lambda s: setattr(s.spec, "selector", {"app": "db"}))
        await w.settle()
        assert conditions(w) == {"web-002": (False, False, False)}
        w.api.change(core_v1.Service, "web", "a", lambda s: setattr(s.spec, "publishNotReadyAddresses", True))
        await w.settle()
        assert conditions(w) == {"web-002": (True, False, False)}


async def test_endpoints_follow_and_go_with_their_service() -> None:
    async with served(EndpointsController) as w:
        w.api.add(running(1), running(2, ready=False))
        await w.api.create(service())
        await w.settle()
        (one,) = w.api.all(core_v1.Endpoints, "a")
        (subset,) = one.subsets
        assert [a.ip for a in subset.addresses] == ["10.0.0.2"]
        assert [a.ip for a in subset.notReadyAddresses] == ["10.0.0.3"]
        w.api.remove(core_v1.Service, "web", "a")
        await w.settle()
        assert w.api.all(core_v1.Endpoints) == []


async def test_endpoints_hold_a_thousand_addresses_and_say_when_there_are_more() -> None:
    async with served(EndpointsController) as w:
        w.api.add(*(running(number) for number in range(1001)))
        await w.api.create(service())
        await w.settle()
        (one,) = w.api.all(core_v1.Endpoints, "a")
        assert [len(subset.addresses) for subset in one.subsets] == [1000]
        assert one.metadata.annotations[OVER_CAPACITY] == "truncated"
        w.api.remove(core_v1.Pod, "web-007", "a")
        await w.settle(5)
        (one,) = w.api.all(core_v1.Endpoints, "a")
        assert OVER_CAPACITY not in (one.metadata.annotations or {})


async def test_each_family_has_slices_of_its_own() -> None:
    async with served(EndpointSliceController) as w:
        both = running(1)
        both.status.podIPs = [core_v1.PodIP(ip="10.0.0.2"), core_v1.PodIP(ip="fd00::2")]
        w.api.add(both)
        families = {"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "PreferDualStack"}
        await w.api.create(service(clusterIPs=["10.96.0.7", "fd00:1::7"], **families))
        await w.settle()
        assert {one.addressType: one.endpoints[0].addresses for one in slices(w)} == {
            "IPv4": ["10.0.0.2"],
            "IPv6": ["fd00::2"],
        }


async def test_a_stale_cache_makes_no_second_slice() -> None:
    async with served(EndpointSliceController) as w:
        w.api.add(running(1))
        await w.settle()
        w.api.fail("create", "endpointslices", after=True)
        await w.api.create(service())
        await w.settle(5)
        assert len(slices(w)) == 1


def endpoint(number: int) -> Any:
    return discovery_v1.Endpoint(addresses=[f"10.0.{number // 250}.{number % 250}"])


def test_packing_takes_the_fullest_slice_that_has_room() -> None:
    def made(name: str, numbers: range) -> Any:
        return discovery_v1.EndpointSlice(metadata=meta(name), endpoints=[endpoint(n) for n in numbers], ports=[])

    existing = [made("a", range(90)), made("b", range(100, 140))]
    everyone = [endpoint(n) for n in [*range(90), *range(100, 140), 500, 501]]
    result = packing.pack(existing, {(): everyone})
    assert [layout.of.metadata.name for layout in result.write] == ["a"]
    assert (len(result.write[0].endpoints), result.delete) == (92, [])


async def test_endpoints_written_by_hand_are_mirrored() -> None:
    async with served(EndpointSliceMirroringController, EndpointSliceController, EndpointsController) as w:
        await w.api.create(service("db", selector=None))
        subset = core_v1.EndpointSubset(
            addresses=[core_v1.EndpointAddress(ip="192.0.2.1"), core_v1.EndpointAddress(ip="2001:db8::1")],
            notReadyAddresses=[core_v1.EndpointAddress(ip="192.0.2.2")],
            ports=[core_v1.EndpointPort(name="sql", port=5432)],
        )
        await w.api.create(core_v1.Endpoints(metadata=meta("db"), subsets=[subset]))
        await w.settle(1)
        by_type = {one.addressType: one for one in slices(w)}
        assert sorted(by_type) == ["IPv4", "IPv6"]
        found = [(e.addresses[0], e.conditions.ready) for e in by_type["IPv4"].endpoints]
        assert found == [("192.0.2.1", True), ("192.0.2.2", False)]
        assert by_type["IPv4"].ports[0].port == 5432
        w.writes()
        await w.settle(3600)
        assert w.writes() == []
        w.api.change(core_v1.Endpoints, "db", "a", lambda e: setattr(e, "subsets", None))
        await w.settle(1)
        assert slices(w) == []


async def test_endpoints_that_ask_not_to_be_mirrored_are_not() -> None:
    async with served(EndpointSliceMirroringController) as w:
        await w.api.create(service("db", selector=None))
        subset = core_v1.EndpointSubset(addresses=[core_v1.EndpointAddress(ip="192.0.2.1")])
        skip = {"endpointslice.kubernetes.io/skip-mirror": "true"}
        await w.api.create(core_v1.Endpoints(metadata=meta("db", labels=skip), subsets=[subset]))
        await w.settle(1)
        assert slices(w) == []


def told(w: World) -> list[str | None]:
    """The change that slices and Endpoints say they follow."""
    made = [*slices(w), *w.api.all(core_v1.Endpoints, "a")]
    return [(one.metadata.annotations or {}).get("endpoints.kubernetes.io/last-change-trigger-time") for one in made]


async def test_slices_and_endpoints_tell_since_when_it_is_so() -> None:
    def turned(at: str) -> Any:
        def change(pod: Any) -> None:
            (ready,) = pod.status.conditions
            ready.status, ready.lastTransitionTime = ("False" if ready.status == "True" else "True"), at

        return change

    async with served(EndpointSliceController, EndpointsController) as w:
        w.api.add(running(1), running(2))
        made = await w.api.create(service())
        await w.settle()
        assert told(w) == [made.metadata.creationTimestamp] * 2
        w.api.change(core_v1.Pod, "web-001", "a", turned("2030-01-01T00:00:09Z"))
        w.api.change(core_v1.Pod, "web-002", "a", turned("2030-01-01T00:00:07Z"))
        await w.settle()
        assert told(w) == ["2030-01-01T00:00:07Z"] * 2, "the earliest of what has changed"
        w.api.remove(core_v1.Pod, "web-001", "a")
        await w.settle()
        assert told(w) == [None, None], "a removal has no time"
        w.api.change(core_v1.Endpoints, "web", "a", lambda one: setattr(one.metadata, "annotations", {"mine": "x"}))
        w.api.fail("update", "endpointslices")
        w.api.fail("update", "endpoints")
        w.api.change(core_v1.Pod, "web-002", "a", turned("2030-01-01T00:00:12Z"))
        await w.settle(5)
        assert told(w) == ["2030-01-01T00:00:12Z"] * 2, "it is not lost with a call that fails"
        assert w.api.all(core_v1.Endpoints, "a")[0].metadata.annotations["mine"] == "x"
