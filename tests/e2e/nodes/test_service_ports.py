"""Services of UDP and of several ports, of pods that are not ready, and of clients that are not all let in."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sampan.cluster.switch import NAMESPACES

from ..cluster.harness import until
from ..network.world import inside_file
from .load import HOST
from .pairs import Pods
from .world import World

UDP_PORT, SECOND_PORT = 5353, 8081
GUARDED_PORT = 8090
FIRST, THIRD = "172.31.254.1", "172.31.254.3"
"""Nodes' addresses; the third's is alone in the source range."""


def manifest(name: str, *ports: dict[str, Any], **spec: Any) -> dict[str, Any]:
    wanted = {"selector": {"set": "ported"}, "ports": list(ports), **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": wanted}


HTTP = {"name": "http", "port": 80, "targetPort": "http"}
SERVICES = (
    manifest("datagrams", {"name": "u", "port": 53, "protocol": "UDP", "targetPort": UDP_PORT}, type="NodePort"),
    manifest("several", HTTP, {"name": "other", "port": 90, "targetPort": SECOND_PORT}),
    manifest("early", HTTP, selector={"app": "unready"}, publishNotReadyAddresses=True),
    manifest("late", HTTP, selector={"app": "unready"}),
    manifest(
        "guarded", HTTP | {"port": GUARDED_PORT}, type="LoadBalancer", loadBalancerSourceRanges=[f"{THIRD}/32"]
    ),
)  # fmt: skip
NAMES = tuple(each["metadata"]["name"] for each in SERVICES)


class Ported:
    """A pod on the second node that answers at several ports, one there that is not ready, a client on the third."""

    def __init__(self, world: World) -> None:
        self.world = world
        unready = world.pod("unready", 2)
        unready["spec"]["containers"][0]["readinessProbe"] = {"exec": {"command": ["false"]}}
        world.apply(world.pod("ported", 2, labels={"set": "ported"}), unready, world.pod("client", 3), *SERVICES)
        self.pods = Pods(world, [("default", name) for name in ("ported", "unready", "client")])
        self.pods.serve("ported", UDP_PORT, "UDP")
        self.pods.serve("ported", SECOND_PORT)
        self.specs = {name: world.get("service", name)["spec"] for name in NAMES}
        self.hosts = [HOST, *(NAMESPACES / world.places[number].outlet.namespace for number in (2, 3))]
        self.clients = [*self.hosts, self.pods.file("client")]

    def address(self, name: str) -> str:
        return str(self.specs[name]["clusterIP"])


def opened(network: Path, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    with inside_file(network):
        client = socket.socket(socket.AF_INET, kind)
    client.settimeout(1)
    return client


def connects(network: Path, address: str, port: int) -> bool:
    with opened(network) as client:
        try:
            client.connect((address, port))
        except OSError:
            return False
        return True


def echoes(network: Path, address: str, port: int) -> bool:
    with opened(network, socket.SOCK_DGRAM) as client:
        client.connect((address, port))
        client.send(b"?")
        return client.recv(10) == b"?"


@pytest.fixture(scope="module")
def ported(world: World) -> Iterator[Ported]:
    made = Ported(world)
    yield made
    made.pods.close()
    world.kubectl("delete", "service", *NAMES, "--wait=false")
    world.kubectl("delete", "pod", "ported", "unready", "client", "--wait=false")


def test_datagrams_from_every_host_and_a_pod(ported: Ported) -> None:
    node_port = ported.specs["datagrams"]["ports"][0]["nodePort"]
    for network in ported.clients:
        for place in ((ported.address("datagrams"), 53), (FIRST, node_port), (THIRD, node_port)):
            until(lambda n=network, p=place: echoes(n, *p), f"an echo from {place} to {network}")


def test_each_port_of_several_leads_to_its_own(ported: Ported) -> None:
    address = ported.address("several")
    for network in ported.clients:
        until(lambda n=network: connects(n, address, 90), f"the second port answers {network}")
        assert not connects(network, address, SECOND_PORT), "a target port is no port of the Service's"
    assert "ported" in ported.world.asks("client", f"http://{address}/")


def test_pods_that_are_not_ready_serve_only_where_a_service_says_so(ported: Ported) -> None:
    for number in (1, 2, 3):
        until(lambda n=number: ported.world.fetch(n, f"http://{ported.address('early')}/"), "the unready pod answers")
    assert "unready" in ported.world.asks("client", "http://early/")
    for network in ported.clients:
        with opened(network) as client, pytest.raises(ConnectionRefusedError):
            client.connect((ported.address("late"), 80))


def test_a_balancer_lets_in_whom_its_source_ranges_name(ported: Ported) -> None:
    def address() -> str:
        status = ported.world.get("service", "guarded")["status"].get("loadBalancer", {})
        found = [one["ip"] for one in status.get("ingress") or ()]
        return found[0] if len(found) == 3 else ""

    there, (_, second, third) = until(address, "three addresses"), ported.hosts
    until(lambda: connects(third, there, GUARDED_PORT), "who is named gets in")
    assert not connects(second, there, GUARDED_PORT)
    assert connects(second, ported.address("guarded"), GUARDED_PORT), "inside the cluster nobody is kept out"
