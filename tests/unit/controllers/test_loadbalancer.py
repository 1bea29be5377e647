"""Which nodes answer a LoadBalancer Service: the pure decision, and the provider as a seam."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.api.errors import ServiceUnavailable
from sampan.api.kinds import core_v1, discovery_v1, meta_v1
from sampan.controllers.loadbalancer import nodeaddresses
from sampan.controllers.loadbalancer.controller import LoadBalancerController
from sampan.controllers.loadbalancer.nodeaddresses import ENABLED, EXCLUDED, POOL
from sampan.controllers.loadbalancer.provider import View
from tests.unit.controllers.harness import meta, world


def node(name: str, *addresses: str, kind: str = "InternalIP", **labels: str) -> Any:
    shown = [core_v1.NodeAddress(type=kind, address=one) for one in addresses]
    ready = core_v1.NodeCondition(type="Ready", status="True")
    keys = {"enabled": ENABLED, "pool": POOL, "excluded": EXCLUDED}
    return core_v1.Node(
        metadata=meta_v1.ObjectMeta(name=name, labels={keys[key]: value for key, value in labels.items()}),
        status=core_v1.NodeStatus(addresses=shown, conditions=[ready]),
    )


def service(name: str, *ports: int, labels: Any = None, **spec: Any) -> Any:
    given = [core_v1.ServicePort(port=port, protocol="TCP") for port in ports or (80,)]
    made = core_v1.ServiceSpec(type="LoadBalancer", ports=given, **spec)
    return core_v1.Service(metadata=meta(name, labels=labels), spec=made)


def answers(services: list[Any], nodes: list[Any], **serving: list[str]) -> dict[str, list[str]]:
    where = {f"a/{name}": frozenset(names) for name, names in serving.items()}
    found = nodeaddresses.assigned(View(services, nodes, where))
    return {key.removeprefix("a/"): addresses for key, addresses in found.items()}


TWO = [node("n1", "192.0.2.1"), node("n2", "192.0.2.2")]


def test_services_of_other_ports_share_the_nodes() -> None:
    both = ["192.0.2.1", "192.0.2.2"]
    assert answers([service("web", 80), service("tls", 443)], TWO) == {"web": both, "tls": both}


def test_local_traffic_is_answered_where_it_is_served_and_leaves_the_rest() -> None:
    local = service("web", externalTrafficPolicy="Local")
    assert answers([local, service("late")], TWO, web=["n2"]) == {"web": ["192.0.2.2"], "late": ["192.0.2.1"]}


def test_k3s_labels_choose_the_nodes() -> None:
    marked = [node("n1", "192.0.2.1", enabled="true", pool="x"), node("n2", "192.0.2.2", enabled="true"), *TWO[1:]]
    assert answers([service("web")], [*marked[:2], node("n3", "192.0.2.3")]) == {"web": ["192.0.2.1", "192.0.2.2"]}
    assert answers([service("web", labels={POOL: "x"})], marked) == {"web": ["192.0.2.1"]}
    assert answers([service("web")], [node("n1", "192.0.2.1", excluded="")]) == {"web": []}


def test_a_service_gets_addresses_of_its_families() -> None:
    mixed = [node("n1", "192.0.2.1", "2001:db8::1")]
    assert answers([service("six", ipFamilies=["IPv6"])], mixed) == {"six": ["2001:db8::1"]}
    assert answers([service("both", ipFamilies=["IPv4", "IPv6"])], mixed) == {"both": ["192.0.2.1", "2001:db8::1"]}
    assert answers([service("odd")], [node("n1", "no address")]) == {"odd": []}


async def test_another_provider_is_asked_and_asked_again_when_it_fails() -> None:
    class Cloud:
        load_balancer_class = "example.org/cloud"
        failures = 2

        async def answer(self, view: View) -> dict[str, list[str]]:
            self.failures -= 1
            if self.failures >= 0:
                raise ServiceUnavailable("the cloud is down")
            return {f"a/{one.metadata.name}": ["203.0.113.1"] for one in view.services}

    async with world(LoadBalancerController) as w:
        assert w.manager is not None
        controller: Any = w.manager.controllers[0]
        controller.provider = Cloud()
        w.api.add(service("web", loadBalancerClass="example.org/cloud"), service("not-ours", loadBalancerClass="x/y"))
        await w.settle(30)
        ingress = w.api.peek(core_v1.Service, "web", "a").status.loadBalancer.ingress
        assert [one.ip for one in ingress] == ["203.0.113.1"]
        assert w.api.peek(core_v1.Service, "not-ours", "a").status is None


@pytest.mark.parametrize("ready", [True, False])
async def test_a_local_service_follows_its_endpoints(ready: bool) -> None:
    async with world(LoadBalancerController) as w:
        w.api.add(*TWO, service("web", externalTrafficPolicy="Local"))
        await w.settle(5)
        endpoint = discovery_v1.Endpoint(
            addresses=["10.0.0.1"], nodeName="n1", conditions=discovery_v1.EndpointConditions(ready=ready)
        )
        labels = {"kubernetes.io/service-name": "web"}
        w.api.add(
            discovery_v1.EndpointSlice(metadata=meta("web-1", labels=labels), addressType="IPv4", endpoints=[endpoint])
        )
        await w.settle(5)
        status = w.api.peek(core_v1.Service, "web", "a").status
        found = [one.ip for one in (status.loadBalancer.ingress if status and status.loadBalancer else None) or ()]
        assert found == (["192.0.2.1"] if ready else [])
