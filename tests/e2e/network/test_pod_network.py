"""The pod network's coming and going."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.api.kinds import core_v1, meta_v1
from sampan.network import bandwidth, cni
from sampan.network.proxy import machine
from sampan.network.proxy.nftables.backend import NftablesBackend

from .conftest import SETTINGS
from .world import NODE, OUTSIDE, HostPort, World, inside


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[World]:
    """A node on which nothing is installed yet."""
    world = World(tmp_path)
    try:
        yield world
    finally:
        world.close()


def test_tear_down_leaves_nothing(bare: World) -> None:
    before = bare.everything()
    assert bare.run(cni.install(bare.pod_network)) == []
    pod, _ = bare.pod("a", host_ports=[HostPort(8088, 8080)])
    bare.serve(pod, 8080, "a")
    assert bare.ask(bare.outside, NODE, 8088).server == "a"
    backend = NftablesBackend(SETTINGS)
    bare.run(backend.replace({}))
    assert bare.everything() != before
    bare.remove_pod(pod)
    bare.pod("orphan")
    bare.run(backend.remove())
    bare.run(machine.restore(SETTINGS))
    bare.run(cni.remove(bare.pod_network))
    after = bare.everything()
    assert after["links"] == before["links"]
    assert after["routes"] == before["routes"]
    assert "sampan" not in after["rules"]
    assert "CNI" not in after["rules"]
    assert not bare.pod_network.state.exists()
    assert not list(bare.pod_network.configuration.iterdir())
    bare.run(cni.remove(bare.pod_network))


def test_installing_twice_changes_nothing(bare: World) -> None:
    bare.run(cni.install(bare.pod_network))
    first = bare.everything()
    bare.run(cni.install(bare.pod_network))
    assert bare.everything() == first


def test_a_firewall_that_drops_what_is_forwarded(bare: World) -> None:
    """As Docker leaves it: room is made in it, said so, and given back."""
    bare.command("iptables", "-P", "FORWARD", "DROP")
    bare.command("iptables", "-A", "FORWARD", "-s", "172.17.0.0/16", "-j", "ACCEPT")
    before = bare.command("iptables", "-S")
    remarks = bare.run(cni.install(bare.pod_network))
    assert len(remarks) == 1
    assert "FORWARD chain drops by default" in remarks[0]
    (a, _), (b, address) = bare.pod("a"), bare.pod("b")
    bare.serve(b, 8080, "b")
    assert bare.ask(a, address, 8080).server == "b"
    bare.run(cni.install(bare.pod_network))
    bare.run(cni.remove(bare.pod_network))
    assert bare.command("iptables", "-S") == before


def test_a_configuration_that_comes_first_is_told(bare: World) -> None:
    bare.pod_network.configuration.mkdir(parents=True)
    (bare.pod_network.configuration / "05-other.conflist").write_text("{}")
    assert "05-other.conflist comes before" in bare.run(cni.install(bare.pod_network))[0]


def test_host_ports(world: World) -> None:
    other = "198.51.100.7"
    world.command("ip", "addr", "add", f"{other}/24", "dev", "eth0")
    ports = [HostPort(8088, 8080), HostPort(5300, 53, "udp"), HostPort(8089, 8080, address=other)]
    pod, _ = world.pod("a", host_ports=ports)
    neighbour, _ = world.pod("b")
    world.serve(pod, 8080, "a")
    world.serve(pod, 53, "a-udp", protocol="udp")
    assert world.ask(world.outside, NODE, 8088) == ("a", OUTSIDE), "clients from outside appear as themselves"
    assert world.ask(world.outside, NODE, 5300, protocol="udp") == ("a-udp", OUTSIDE)
    for where in (neighbour, pod, world.node):
        assert world.ask(where, NODE, 8088).server == "a"
    assert world.ask(world.node, "127.0.0.1", 8088).server == "a"
    assert world.ask(world.outside, other, 8089).server == "a"
    for address, port in ((NODE, 8089), (NODE, 53)):
        with pytest.raises(ConnectionRefusedError):
            world.ask(world.outside, address, port)
    world.remove_pod(pod)
    with pytest.raises(ConnectionRefusedError):
        world.ask(world.outside, NODE, 8088)


def test_bandwidth_is_limited_from_the_first_packet(world: World) -> None:
    """8 Mbit in a second, of which the bucket lets a tenth go at once."""
    pod, address = world.pod("slow", bits=8_000_000)
    annotations = {"kubernetes.io/ingress-bandwidth": "8M", "kubernetes.io/egress-bandwidth": "8M"}
    manifest = core_v1.Pod(metadata=meta_v1.ObjectMeta(name="slow", annotations=annotations))
    world.run(bandwidth.tighten(manifest, [address]))
    free, free_address = world.pod("free")
    assert transfer(world, world.node, pod, address) > 0.4
    assert transfer(world, pod, free, free_address) > 0.4
    assert transfer(world, world.node, free, free_address) < 0.4
    world.run(bandwidth.tighten(manifest, []))
    world.run(bandwidth.tighten(manifest, ["203.0.113.1"]))


def transfer(world: World, source: str, target: str, address: str) -> float:
    """Seconds that 500 kB take from one to the other."""
    with inside(target):
        server = socket.create_server((address, 9000))
    with inside(source):
        client = socket.create_connection((address, 9000), timeout=5)
    with server, client, server.accept()[0] as connection:
        began, left = time.monotonic(), 500_000
        thread = threading.Thread(target=client.sendall, args=(bytes(left),))
        thread.start()
        while left:
            left -= len(connection.recv(1 << 16))
        thread.join()
        return time.monotonic() - began
