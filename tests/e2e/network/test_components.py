"""Proxy and DNS as they run: from objects in an API to packets and answers."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import dnslib
import pytest

from sampan.aio.clock import SystemClock
from sampan.api.kinds import core_v1, discovery_v1, meta_v1
from sampan.network.dns import DnsServer, interface
from sampan.network.errors import Unusable
from sampan.network.proxy import ServiceProxy
from sampan.network.proxy.nftables.backend import NftablesBackend
from sampan.network.proxy.settings import Settings
from sampan.testing.fakeapi import FakeApi

from .background import Background
from .world import CLUSTER, NODE, SERVICES, World, inside

VIP, DNS, DNS6 = "10.96.3.4", "10.96.0.10", "fd00:96::a"
PROXY = ("ip", "sampan-proxy")


class Node:
    """The world with an API, a proxy and DNS."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.begin()

    def begin(self) -> None:
        """Starts with an empty API."""
        self.background = Background(self.world)
        self.background.call(self._make)
        self.background.start(self.proxy.run)
        self.background.start(self.dns.run)
        self.background.until(lambda: self.proxy.healthy() and self.dns.healthy())

    async def _make(self) -> None:
        self.api = FakeApi()
        given: Any = {"client": self.api, "clock": SystemClock(), "rng": random.Random(1)}
        settings = Settings(cluster_cidr=CLUSTER, service_cidr=SERVICES, skip=(DNS,))
        self.proxy = ServiceProxy(
            **given, node_name="n1", backends={"IPv4": NftablesBackend(settings)}, local_addresses={DNS}
        )
        self.dns = DnsServer(**given, addresses=[DNS, DNS6], networks=[CLUSTER, SERVICES], upstreams=[])

    def service(self, name: str, address: str) -> None:
        ports = [core_v1.ServicePort(port=80, nodePort=30080)]
        spec = core_v1.ServiceSpec(type="NodePort", clusterIP=address, ports=ports)
        metadata = meta_v1.ObjectMeta(name=name, namespace="default")
        service = core_v1.Service(kind="Service", apiVersion="v1", metadata=metadata, spec=spec)
        self._do(lambda: self.api.add(service))

    def endpoints(self, name: str, ready: list[str], ending: tuple[str, ...] = ()) -> None:
        """Sets the endpoints and returns when the proxy has them in the kernel."""
        metadata = meta_v1.ObjectMeta(
            name=f"{name}-1", namespace="default", labels={"kubernetes.io/service-name": name}
        )
        piece = discovery_v1.EndpointSlice(
            kind="EndpointSlice", apiVersion="discovery.k8s.io/v1", metadata=metadata, addressType="IPv4",
            ports=[discovery_v1.EndpointPort(port=8080)],
            endpoints=[_endpoint(address) for address in ready] + [_endpoint(a, ending=True) for a in ending],
        )  # fmt: skip
        known = self.api.peek(discovery_v1.EndpointSlice, f"{name}-1", "default") is not None
        self._do(lambda: self._renew(piece) if known else self.api.add(piece))

    def _renew(self, piece: Any) -> None:
        self.api.change(
            discovery_v1.EndpointSlice,
            piece.metadata.name,
            "default",
            lambda obj: setattr(obj, "endpoints", piece.endpoints),
        )

    def lookup(self, where: str, name: str, server: str = DNS) -> list[str]:
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        with inside(where), socket.socket(family, socket.SOCK_DGRAM) as client:
            client.settimeout(5)
            client.connect((server, 53))
            client.send(bytes(dnslib.DNSRecord.question(name).pack()))
            return [str(record.rdata) for record in dnslib.DNSRecord.parse(client.recv(4096)).rr]

    def _do(self, work: Callable[[], Any]) -> None:
        """Does it there and returns when the proxy has it in the kernel."""

        async def there() -> None:
            work()

        before = self.proxy.statistics()["changes"]
        self.background.call(there)
        self.background.until(lambda: self.proxy.statistics()["changes"] > before)


def _endpoint(address: str, *, ending: bool = False) -> Any:
    conditions = discovery_v1.EndpointConditions(ready=not ending, serving=True, terminating=ending)
    return discovery_v1.Endpoint(addresses=[address], nodeName="n1", conditions=conditions)


@pytest.fixture
def node(world: World) -> Iterator[Node]:
    node = Node(world)
    try:
        yield node
    finally:
        node.background.close()


class Load:
    """Asks without a pause until stopped; counts answers and keeps errors."""

    def __init__(self, world: World, where: str, address: str, port: int) -> None:
        self.answers = 0
        self.errors: list[Exception] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(world, where, address, port))
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self, world: World, where: str, address: str, port: int) -> None:
        while not self._stop.is_set():
            try:
                world.ask(where, address, port)
                self.answers += 1
            except OSError as error:
                self.errors.append(error)


def test_a_rolling_update_loses_no_request(node: Node) -> None:
    world = node.world
    client, _ = world.pod("client")
    node.service("web", VIP)
    pods = {name: world.pod(name) for name in ("a1", "b1", "c1", "a2", "b2", "c2")}
    stops = {name: world.serve(namespace, 8080, name) for name, (namespace, _) in pods.items()}
    address = {name: where for name, (_, where) in pods.items()}
    serving = ["a1", "b1", "c1"]
    node.endpoints("web", [address[name] for name in serving])
    loads = [Load(world, client, VIP, 80), Load(world, world.outside, NODE, 30080)]
    for old, new in (("a1", "a2"), ("b1", "b2"), ("c1", "c2")):
        serving = [name for name in serving if name != old] + [new]
        node.endpoints("web", [address[name] for name in serving], ending=(address[old],))
        stops[old]()
        world.remove_pod(pods[old][0])
    for load in loads:
        load.stop()
    assert [load.errors for load in loads] == [[], []]
    assert all(load.answers > 10 for load in loads)
    assert set(world.askers(client, VIP, 80, 40)) == {"a2", "b2", "c2"}


def test_rules_outlive_the_proxy_and_are_taken_up_again(node: Node) -> None:
    world = node.world
    pod, where = world.pod("a")
    world.serve(pod, 8080, "a")
    node.service("web", VIP)
    node.endpoints("web", [where])
    node.background.close()
    assert world.ask(pod, VIP, 80).server == "a"
    node.begin()
    with pytest.raises(TimeoutError):
        world.ask(pod, VIP, 80)
    node.service("web", VIP)
    node.endpoints("web", [where])
    assert world.ask(pod, VIP, 80).server == "a"


def test_a_flushed_table_is_written_again(node: Node) -> None:
    world = node.world
    pod, where = world.pod("a")
    world.serve(pod, 8080, "a")
    node.service("web", VIP)
    node.endpoints("web", [where])
    for turn, damage in enumerate((("flush", "table", *PROXY), ("flush", "chain", *PROXY, "translated")), 1):
        world.command("nft", *damage)
        node.background.until(lambda turn=turn: node.proxy.statistics()["repairs"] == turn and node.proxy.healthy())
        assert world.ask(pod, VIP, 80).server == "a"
    world.command("nft", "add", "table", "ip", "foreign")
    world.command("nft", "delete", "table", *PROXY)
    node.background.until(lambda: node.proxy.statistics()["repairs"] == 3 and node.proxy.healthy())
    assert world.ask(pod, VIP, 80).server == "a"
    assert "foreign" in world.command("nft", "list", "tables")


def test_pods_resolve_names_on_their_node(node: Node) -> None:
    world = node.world
    pod, _ = world.pod("a")
    node.service("web", VIP)
    node.background.until(lambda: node.dns.statistics()["zone"]["services"] == 1)
    for where in (pod, world.node):
        assert node.lookup(where, "web.default.svc.cluster.local") == [VIP]
    assert node.lookup(world.node, "web.default.svc.cluster.local", DNS6) == [VIP]
    assert "sampan-dns" in world.command("ip", "-o", "link")
    node.background.call(node.dns.remove)
    assert "sampan-dns" not in world.command("ip", "-o", "link")


def test_a_machine_without_ipv6_answers_names_by_ipv4(world: World) -> None:
    world.command("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
    assert world.run(interface.ensure([DNS, DNS6])) == [DNS]
    with pytest.raises(Unusable, match=f"cannot put {DNS6}"):
        world.run(interface.ensure([DNS6, DNS]))
    world.run(interface.remove())
