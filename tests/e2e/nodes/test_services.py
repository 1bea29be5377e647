"""Every form of Service, from every host and from a pod on a node without an endpoint; the proxy killed in between."""

from __future__ import annotations

import itertools
import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from ..cluster.harness import until
from .world import World

EXTERNAL, DNS, DNS6 = "203.0.113.7", "10.96.0.10", "fd00:96::a"
SPECS: dict[str, dict[str, Any]] = {
    "cluster-ip": {},
    "node-port": {"type": "NodePort"},
    "balanced": {"type": "LoadBalancer", "ports": [{"port": 8088, "targetPort": "http"}]},
    "balanced-local": {
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",
        "ports": [{"port": 8089, "targetPort": "http"}],
    },
    "external-ip": {"externalIPs": [EXTERNAL]},
    "sticky": {"sessionAffinity": "ClientIP"},
    "headless": {"clusterIP": "None", "ports": [{"name": "http", "port": 8080}]},
    "inside-local": {"internalTrafficPolicy": "Local"},
    "dual": {"type": "NodePort", "ipFamilyPolicy": "RequireDualStack"},
    "dual-headless": {
        "clusterIP": "None",
        "ipFamilyPolicy": "RequireDualStack",
        "ports": [{"name": "http", "port": 8080}],
    },
}
ENDPOINTS = {1: "served-1", 2: "served-2"}
"""Where the pods are; node 3 has none."""


class Services:
    """The Services of two pods, with the client pod's view and each host's."""

    def __init__(self, world: World) -> None:
        self.world = world
        pods = [world.pod(name, number, labels={"set": "served"}) for number, name in ENDPOINTS.items()]
        world.apply(*pods, world.pod("client", 3), *(_service(name, spec) for name, spec in SPECS.items()))
        addresses = [world.address(name) for name in ENDPOINTS.values()]
        world.apply(*_by_hand("by-hand", addresses), _alias("elsewhere", "cluster-ip"))
        world.address("client")
        self.objects = {name: world.get("service", name) for name in (*SPECS, "by-hand")}
        self.nodes = {
            number: next(a["address"] for a in world.get("node", name)["status"]["addresses"])
            for number, name in world.names.items()
        }

    def url(self, name: str) -> str:
        """At its cluster address."""
        found = self.objects[name]["spec"]
        return f"http://{found['clusterIP']}:{found['ports'][0]['port']}/"

    def served_by(self, where: int | str, url: str, wanted: set[str] | None = None) -> None:
        """All that are wanted answer there, a host (number) or a pod (name), and nobody else does."""
        expected = set(ENDPOINTS.values()) if wanted is None else wanted
        seen: set[str] = set()

        def look() -> bool:
            ask = self.world.fetch if isinstance(where, int) else self.world.asks
            answer = ask(where, url)  # type: ignore[operator]
            seen.update(name for name in ENDPOINTS.values() if name in answer)
            return seen >= expected

        until(look, f"answers from {expected} at {url} asked from {where}, so far {seen}")
        assert seen == expected

    def refused_at(self, where: int, url: str) -> None:
        with pytest.raises(AssertionError):
            self.world.fetch(where, url, seconds=1)


def _service(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    wanted = {"selector": {"set": "served"}, "ports": ports, **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": wanted}


def _alias(name: str, target: str) -> dict[str, Any]:
    spec = {"type": "ExternalName", "externalName": f"{target}.default.svc.cluster.local"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def _by_hand(name: str, addresses: list[str]) -> Iterator[dict[str, Any]]:
    """A Service without selector, and the endpoints somebody wrote for it."""
    spec = {"ports": [{"name": "http", "port": 80}]}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
    yield {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [{"addresses": [address]} for address in addresses],
    }


@pytest.fixture(scope="module")
def services(world: World) -> Iterator[Services]:
    yield Services(world)
    names = [*SPECS, "by-hand", "elsewhere"]
    world.kubectl("delete", "service", *names, "--wait=false")
    world.kubectl("delete", "pod", "client", *ENDPOINTS.values(), "--wait=false")


def test_cluster_addresses_from_every_host_and_a_pod(services: Services) -> None:
    for name, where in itertools.product(("cluster-ip", "by-hand"), (1, 2, 3, "client")):
        services.served_by(where, services.url(name))
    for name in ("cluster-ip", "headless:8080", "elsewhere"):
        services.served_by("client", f"http://{name}/")


def test_both_families_of_a_service(services: Services) -> None:
    """Nodes have no IPv6 addresses among themselves here: pods' packets go through the tunnel, hosts' as well."""
    four, six = services.objects["dual"]["spec"]["clusterIPs"]
    for address, where in itertools.product((four, f"[{six}]"), (1, 2, 3, "client")):
        services.served_by(where, f"http://{address}/")
    for name in ("dual", "dual-headless"):
        found = services.world.kubectl("exec", "client", "--", "nslookup", f"{name}.default.svc.cluster.local").stdout
        assert "10." in found and "fd00:" in found, found
        assert "kube-dns.kube-system.svc" in services.world.kubectl("exec", "client", "--", "nslookup", DNS).stdout
        ask = ("nslookup", f"{name}.default.svc.cluster.local", DNS6)
        assert services.world.kubectl("exec", "client", "--", *ask).stdout.count("fd00:") > 1, "asked by IPv6"


def test_node_ports_at_every_node(services: Services) -> None:
    port = services.objects["node-port"]["spec"]["ports"][0]["nodePort"]
    for where, node in itertools.product((1, 2, 3), services.nodes.values()):
        services.served_by(where, f"http://{node}:{port}/")
    services.served_by("client", f"http://{services.nodes[3]}:{port}/")
    for where in (1, 2, 3, "client"):
        services.served_by(where, f"http://{EXTERNAL}/")


def test_balanced_addresses_and_health_checks(services: Services) -> None:
    world = services.world

    def addresses(name: str, count: int) -> list[str]:
        status = world.get("service", name)["status"].get("loadBalancer", {})
        found = [one["ip"] for one in status.get("ingress") or ()]
        return found if len(found) == count else []

    for address in until(lambda: addresses("balanced", 3), "three addresses"):
        services.served_by(3, f"http://{address}:8088/")
    for number, address in enumerate(until(lambda: addresses("balanced-local", 2), "two addresses"), 1):
        assert address == services.nodes[number]
        # A node's own clients may use every endpoint at a load balancer's address; at a node's port, who comes from
        # elsewhere is confined to that node's.
        port = services.objects["balanced-local"]["spec"]["ports"][0]["nodePort"]
        services.served_by(3, f"http://{address}:{port}/", {ENDPOINTS[number]})
        services.served_by("client", f"http://{address}:8089/")
    check = services.objects["balanced-local"]["spec"]["healthCheckNodePort"]
    body = json.loads(world.fetch(3, f"http://{services.nodes[1]}:{check}/"))
    assert (body["service"]["name"], body["localEndpoints"]) == ("balanced-local", 1)
    services.refused_at(1, f"http://{services.nodes[3]}:{check}/")


def test_local_policy_and_affinity(services: Services) -> None:
    for number in ENDPOINTS:
        services.served_by(number, services.url("inside-local"), {ENDPOINTS[number]})
    services.refused_at(3, services.url("inside-local"))
    for ask, where in ((services.world.fetch, 3), (services.world.asks, "client")):
        answers = {ask(where, services.url("sticky")).split()[2] for _ in range(5)}  # type: ignore[operator]
        assert len(answers) == 1, f"{where} is answered by one, for as long as it asks"


def test_traffic_flows_while_the_proxy_is_killed(services: Services) -> None:
    agent = services.world.process_of(2, "agent")
    agent.signal(signal.SIGKILL)
    for _ in range(5):
        services.world.fetch(2, services.url("cluster-ip"))
    until(lambda: services.world.process_of(2, "agent").pid != agent.pid, "the agent is started again")
    services.served_by(2, services.url("cluster-ip"))
