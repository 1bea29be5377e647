"""Ways between nodes in the kernel: tunnels over a routed network, real packets through them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.network.routes import vxlan
from sampan.network.routes.entries import Route
from sampan.network.routes.kernel import Kernel
from sampan.network.routes.peers import Peer

from .world import NODE, OUTSIDE, World, inside

IP_MTU = 14
ONE = Peer(name="one", addresses=(NODE,), ranges=("10.244.1.0/24", "fd00:1::/64"))
OTHER = Peer(name="other", addresses=(OUTSIDE,), ranges=("10.244.2.0/24", "fd00:2::/64"))


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[World]:
    """The node and the machine outside, which is another node here."""
    world = World(tmp_path)
    try:
        yield world
    finally:
        world.close()


def end(namespace: str, own: Peer, other: Peer) -> Kernel:
    with inside(namespace):
        kernel = Kernel()
        kernel.ensure(vxlan.device(own, kernel.underlay_mtu(own.addresses[0])), addresses(own))
        for entry in vxlan.entries(other, other.ranges):
            kernel.add(entry)
    return kernel


def addresses(peer: Peer) -> list[str]:
    return [vxlan.inner_address(cidr) for cidr in peer.ranges]


def carried(namespace: str, address: str) -> int:
    """The largest packet, in bytes, that goes there."""
    with inside(namespace), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((address, 9))
        return probe.getsockopt(socket.IPPROTO_IP, IP_MTU)


def ask6(namespace: str, address: str, port: int) -> bytes:
    with inside(namespace), socket.create_connection((address, port), timeout=2) as client:
        client.send(b"?")
        return client.recv(100)


def greet(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(b"hello")


def test_packets_go_through_a_tunnel_of_both_families(nodes: World) -> None:
    one, other = end(nodes.node, ONE, OTHER), end(nodes.outside, OTHER, ONE)
    try:
        assert one.held() == vxlan.entries(OTHER, OTHER.ranges)
        assert other.held() == vxlan.entries(ONE, ONE.ranges)
        nodes.serve(nodes.outside, 8080, "other")
        assert nodes.ask(nodes.node, "10.244.2.0", 8080) == ("other", "10.244.1.0")
        assert carried(nodes.node, "10.244.2.0") == 1450
        with inside(nodes.outside):
            server = socket.create_server(("fd00:2::", 8081), family=socket.AF_INET6)
        with server:
            threading.Thread(target=greet, args=(server,)).start()
            assert ask6(nodes.node, "fd00:2::", 8081) == b"hello"
        again = vxlan.device(ONE, 1500)
        one.ensure(again, addresses(ONE))
        assert one.held() == vxlan.entries(OTHER, OTHER.ranges), "what is there stays"
        one.ensure(again._replace(local="198.51.100.9"), addresses(ONE))
        assert one.held() == set(), "an end elsewhere is a new one"
        for entry in vxlan.entries(ONE, ONE.ranges):
            other.delete(entry)
            other.delete(entry)
        assert other.held() == set()
        one.discard(vxlan.DEVICE)
        one.discard(vxlan.DEVICE)
        assert vxlan.DEVICE not in nodes.command("ip", "link")
    finally:
        one.close()
        other.close()


def test_near_and_far(nodes: World) -> None:
    nodes.command("ip", "route", "add", "203.0.113.0/24", "via", OUTSIDE)
    with inside(nodes.node):
        kernel = Kernel()
    try:
        near = {address: kernel.near(address) for address in (OUTSIDE, "203.0.113.1", "192.0.2.1")}
        assert near == {OUTSIDE: True, "203.0.113.1": False, "192.0.2.1": False}
        with pytest.raises(OSError, match="unreachable"):
            kernel.add(Route("10.244.2.0/24", "192.0.2.1"))
    finally:
        kernel.close()
