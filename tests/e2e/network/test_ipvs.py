"""What IPVS alone has to do, on a kernel that has it; and what can be shown of it on one that has not."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from sampan.network import nft
from sampan.network.errors import Unusable
from sampan.network.proxy.backend import Change
from sampan.network.proxy.ipvs.backend import IpvsBackend
from sampan.network.proxy.ipvs.plan import Found, State
from sampan.network.proxy.ipvs.tuning import Tuning
from sampan.network.proxy.model import Endpoint, Frontend, ServicePort
from sampan.network.proxy.settings import IPV6, Settings

from .conftest import SETTINGS, has_ipvs
from .test_services import VIP, service, three_pods
from .world import NODE, World, inside

real = pytest.mark.skipif(
    not has_ipvs(), reason="this kernel has no IPVS: run scripts/test-debian tests/e2e/network -k ipvs"
)


@pytest.fixture
def ipvs(world: World) -> Iterator[IpvsBackend]:
    made = IpvsBackend(SETTINGS)
    yield made
    world.run(made.remove())


@pytest.mark.skipif(has_ipvs(), reason="this kernel has IPVS")
def test_the_table_is_one_the_kernel_takes_and_ipvs_is_missed(world: World) -> None:
    port = replace(service("10.244.7.2")[0], guarded=("203.0.113.9",), source_ranges=("198.51.100.0/24",))
    world.run(nft.apply(State(SETTINGS, Tuning()).replace({"d/web": (port,)}, Found((NODE,))).rules))
    assert VIP in world.command("nft", "list", "set", "ip", "sampan-ipvs", "cluster")
    with pytest.raises(Unusable, match="modprobe ip_vs"):
        world.run(IpvsBackend(SETTINGS).replace({}))


@real
def test_others_virtual_servers_stay(world: World, ipvs: IpvsBackend) -> None:
    """Also those of the other family, through a restart of the proxy and its removal."""
    _, addresses = three_pods(world)
    for words in (("-t", f"{NODE}:8081"), ("-u", "[2001:db8::7]:53"), ("-f", "7")):
        world.command("ipvsadm", "-A", *words, "-s", "wlc")
    foreign = world.command("ipvsadm", "-Sn")
    world.run(ipvs.replace({"d/web": service(*addresses)}))
    assert VIP in world.command("ipvsadm", "-Sn")
    again = IpvsBackend(SETTINGS)
    world.run(again.replace({"d/web": service(addresses[0])}))
    assert not world.run(again.damaged())
    world.run(again.remove())
    assert world.command("ipvsadm", "-Sn") == foreign
    world.command("ipvsadm", "-C")


@real
def test_what_listens_on_the_node_is_not_at_a_services_address(world: World, ipvs: IpvsBackend) -> None:
    (a, _, _), addresses = three_pods(world)
    world.serve(world.node, 9999, "node")
    world.run(ipvs.replace({"d/web": service(*addresses)}))
    for where in (a, world.node):
        with pytest.raises(ConnectionRefusedError):
            world.ask(where, VIP, 9999)
    assert world.ask(a, NODE, 9999).server == "node"


@real
def test_a_connection_outlives_its_endpoints_leaving(world: World, ipvs: IpvsBackend) -> None:
    """No new one goes there; the endpoint is taken away when its last connection has ended."""
    pod, address = world.pod("a")
    _, other = world.pod("b")
    with inside(pod):
        server = socket.create_server(("0.0.0.0", 8080))
    old, new = service(address), service(other)
    world.run(ipvs.replace({"d/web": old}))
    with inside(world.outside):
        client = socket.create_connection((NODE, 30080), timeout=10)
    with server, client:
        served, _ = server.accept()
        world.run(ipvs.update([Change("d/web", old, new)]))
        assert not world.run(ipvs.damaged())
        with served:
            for sender, receiver in ((client, served), (served, client)):
                sender.sendall(b"still here")
                assert receiver.recv(100) == b"still here"
        assert ipvs.statistics()["draining"] == 1, "those without a connection are gone"
        assert f"-r {address}:8080 -m -w 0" in world.command("ipvsadm", "-Sn")


@real
def test_addresses_that_the_node_gets_answer_node_ports(world: World, ipvs: IpvsBackend) -> None:
    _, addresses = three_pods(world)
    wanted = {"d/web": service(*addresses)}
    world.run(ipvs.replace(wanted))
    assert not world.run(ipvs.damaged())
    world.command("ip", "addr", "add", "198.51.100.77/24", "dev", "eth0")
    assert world.run(ipvs.damaged())
    world.run(ipvs.replace(wanted))
    assert world.ask(world.outside, "198.51.100.77", 30080).server in "abc"


@real
def test_services_of_ipv6(world: World) -> None:
    """Beside those of IPv4; taking one family away leaves the other."""
    four, six = IpvsBackend(SETTINGS), IpvsBackend(Settings(family=IPV6, cluster_cidr="fd01::/48"))
    world.command("ip", "addr", "add", "fd01::1/64", "dev", "eth0", "nodad")
    world.serve(world.node, 8080, "six", address="fd01::1")
    port = ServicePort("tcp", (Frontend("cluster", "fd00:96::0:5", 80),), (Endpoint("fd01::1", 8080),), ())
    world.run(four.replace({"d/web": service()}))
    world.run(six.replace({"d/six": (port,)}))
    assert world.ask(world.node, "fd00:96::5", 80).server == "six"
    assert not world.run(four.damaged()) and not world.run(six.damaged())
    world.run(four.remove())
    assert not world.run(six.damaged())
    assert "kube-ipvs0" in world.everything()["links"]
    world.run(six.remove())
    assert "kube-ipvs0" not in world.everything()["links"]
    assert world.command("ipvsadm", "-Sn") == ""
