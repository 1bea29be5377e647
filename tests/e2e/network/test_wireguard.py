"""Encrypted ways between nodes, on a kernel that has WireGuard: real packets, and what the network sees of them."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.network.netlink.generic import Family
from sampan.network.routes import wireguard
from sampan.network.routes.kernel import Kernel
from sampan.network.routes.peers import Peer
from sampan.network.routes.wireguard import DEVICE, PORT

from .test_routes import ONE, OTHER, addresses, carried, nodes
from .world import World, datagrams, inside

__all__ = ["nodes"]
EVERY_PACKET, IPV4, UDP = 0x0003, 0x0800, 17
WHOLE, TUNNEL, HEADERS = 1500, 1440, 28
"""Bytes: a packet of the cable's, one of a pod's that it carries, and the headers of IPv4 and UDP."""
KEYS = {name: bytes([number]) * 32 for number, name in enumerate("abc", 1)}


def has_wireguard() -> bool:
    family = Family("wireguard")
    try:
        return bool(family.number())
    except OSError as error:
        assert error.errno == errno.ENOENT
        return False
    finally:
        family.close()


pytestmark = pytest.mark.skipif(
    not has_wireguard(), reason="this kernel has no WireGuard: run scripts/test-debian tests/e2e/network -k wireguard"
)


def known(peer: Peer, key: bytes) -> Peer:
    """The peer with the public half of that key, as its node tells it."""
    return Peer(name=peer.name, addresses=peer.addresses, ranges=peer.ranges, key=wireguard.public_key(key))


def end(namespace: str, own: Peer, key: bytes, other: Peer) -> Kernel:
    with inside(namespace):
        kernel = Kernel()
    kernel.ensure_encrypted(wireguard.end(key, 1440), addresses(own))
    for entry in sorted(wireguard.entries(other), key=lambda entry: type(entry).__name__):
        kernel.add(entry)
    return kernel


@pytest.fixture
def ends(nodes: World) -> Iterator[tuple[Kernel, Kernel]]:
    made = (
        end(nodes.node, ONE, KEYS["a"], known(OTHER, KEYS["b"])),
        end(nodes.outside, OTHER, KEYS["b"], known(ONE, KEYS["a"])),
    )
    yield made
    for each in made:
        each.close()


def listen(namespace: str) -> socket.socket:
    """Sees every packet of the cable between the nodes."""
    with inside(namespace):
        found = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(EVERY_PACKET))
    found.bind(("eth0", EVERY_PACKET))
    found.setblocking(False)
    return found


def since(packets: socket.socket) -> Iterator[bytes]:
    """The IPv4 packets since the last look."""
    while True:
        try:
            packet, sender = packets.recvfrom(2000)
        except BlockingIOError:
            return
        if sender[1] == IPV4:
            yield packet


def ports(packets: socket.socket) -> set[tuple[int, int]]:
    """(protocol, destination port) of the IPv4 packets since the last look."""
    return {(packet[9], int.from_bytes(packet[22:24], "big")) for packet in since(packets)}


def test_nobody_on_the_network_sees_what_pods_say(nodes: World, ends: tuple[Kernel, Kernel]) -> None:
    nodes.serve(nodes.outside, 8080, "other")
    with listen(nodes.node) as packets:
        assert nodes.ask(nodes.node, "10.244.2.0", 8080) == ("other", "10.244.1.0")
        assert ports(packets) == {(UDP, PORT)}
    assert carried(nodes.node, "10.244.2.0") == 1440
    assert ends[0].held() == wireguard.entries(known(OTHER, KEYS["b"])), "nothing is to be mended"
    assert {*nodes.command("wg", "show", DEVICE, "allowed-ips").split()} == {
        wireguard.public_key(KEYS["b"]),
        *OTHER.ranges,
    }


def test_the_largest_packet_fills_one_of_the_networks(nodes: World, ends: tuple[Kernel, Kernel]) -> None:
    """It goes in one piece; what is larger is refused where it may not be broken."""
    receiver = datagrams(Path("/run/netns", nodes.outside), "0.0.0.0")
    sender = datagrams(Path("/run/netns", nodes.node), "0.0.0.0")
    to = ("10.244.2.0", receiver.getsockname()[1])
    with sender, receiver, listen(nodes.node) as packets:
        sender.sendto(bytes(TUNNEL - HEADERS), to)
        assert len(receiver.recv(2000)) == TUNNEL - HEADERS
        seen = [(int.from_bytes(packet[2:4], "big"), bool(packet[6] & 0x3F or packet[7])) for packet in since(packets)]
        assert max(size for size, _ in seen) == WHOLE and not any(piece for _, piece in seen)
        with pytest.raises(OSError, match="too long"):
            sender.sendto(bytes(TUNNEL - HEADERS + 1), to)


def test_another_key(nodes: World, ends: tuple[Kernel, Kernel]) -> None:
    """A node that has lost its key tells another: the old peer goes, the new one is talked to."""
    one, other = ends
    nodes.serve(nodes.outside, 8080, "other")
    other.ensure_encrypted(wireguard.end(KEYS["c"], 1440), addresses(OTHER))
    with pytest.raises(OSError):
        nodes.ask(nodes.node, "10.244.2.0", 8080)
    old, new = (wireguard.entries(known(OTHER, KEYS[name])) for name in "bc")
    for entry in old - new:
        one.delete(entry)
    for entry in new - old:
        one.add(entry)
    assert nodes.ask(nodes.node, "10.244.2.0", 8080).server == "other"
    assert nodes.command("wg", "show", DEVICE, "peers").split() == [wireguard.public_key(KEYS["c"])]


def test_a_node_that_goes(nodes: World, ends: tuple[Kernel, Kernel]) -> None:
    one, _ = ends
    for _ in range(2):
        for entry in wireguard.entries(known(OTHER, KEYS["b"])):
            one.delete(entry)
    assert one.held() == set()
    assert nodes.command("wg", "show", DEVICE, "peers") == ""
    one.discard(DEVICE)
    assert DEVICE not in nodes.command("ip", "link")
