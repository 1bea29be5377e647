"""Two nodes whose pods talk through WireGuard, of Debian's kernel."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..cluster.harness import until
from ..network.world import datagrams
from ..nodes.world import World
from .machine import DATA_DIR, Debian, network_of, output

DEVICE = "sampan-wg"


@pytest.fixture(scope="module")
def world(debian: Debian) -> Iterator[World]:
    debian.up("--nodes", "2", "--pod-network", "wireguard", "--no-sample")
    yield World(DATA_DIR)


def transferred(world: World, number: int) -> int:
    """Bytes of pods' packets that a node has sent and received."""
    return sum(map(int, world.on(number, "wg", "show", DEVICE, "transfer").stdout.split()[1:]))


def test_pods_reach_each_other_encrypted(world: World) -> None:
    world.apply(world.pod("one", 1), world.pod("two", 2))
    addresses = {name: world.address(name) for name in ("one", "two")}
    before = transferred(world, 1)
    until(
        lambda: "Hello from two" in world.asks("one", f"http://{addresses['two']}:8080/", seconds=20), "one reaches two"
    )
    assert "Hello from one" in world.asks("two", f"http://{addresses['one']}:8080/", seconds=20)
    assert transferred(world, 1) > before + 1000


def test_the_largest_packet_of_a_pods_goes_through(world: World) -> None:
    """As large as the nodes' network carries, less what WireGuard adds over IPv4; it must not be broken on its way."""
    mtu = int(world.kubectl("exec", "one", "--", "cat", "/sys/class/net/eth0/mtu").stdout)
    assert mtu == 1500 - 60
    one, two = (datagrams(network_of(address), address) for address in map(world.address, ("one", "two")))
    with one, two:
        for sender, receiver in ((one, two), (two, one)):
            sender.sendto(bytes(mtu - 28), receiver.getsockname())
            assert len(receiver.recv(2000)) == mtu - 28
            with pytest.raises(OSError, match="too long"):
                sender.sendto(bytes(mtu - 27), receiver.getsockname())


def test_what_each_end_knows(world: World) -> None:
    keys = {number: world.on(number, "wg", "show", DEVICE, "public-key").stdout.strip() for number in (1, 2)}
    for number, other in ((1, 2), (2, 1)):
        node = world.get("node", world.names[other])
        peer, ranges = world.on(number, "wg", "show", DEVICE, "allowed-ips").stdout.split("\t")
        assert peer == keys[other] == node["metadata"]["annotations"]["network.sampan.dev/wireguard-key"]
        assert ranges.split() == [node["spec"]["podCIDR"]]
    files = [*Path(DATA_DIR).glob("**/wireguard.key")]
    assert len(files) == 2 and {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_new_key_is_taken_up(world: World) -> None:
    """When a node has lost its own."""
    place = world.places[2]
    (file,) = place.layout.data_dir.glob("**/wireguard.key")
    old = world.on(1, "wg", "show", DEVICE, "peers").stdout
    file.unlink()
    world.process_of(2, "agent").signal(9)
    until(
        lambda: world.on(1, "wg", "show", DEVICE, "peers").stdout not in ("", old), "the other node knows the new key"
    )
    address = world.address("two")
    until(lambda: "Hello from two" in world.asks("one", f"http://{address}:8080/", seconds=20), "one reaches two again")


def test_a_node_that_goes_is_forgotten(world: World, debian: Debian) -> None:
    debian.up("--nodes", "1", "--pod-network", "wireguard", "--no-sample")
    until(lambda: output("wg", "show", DEVICE, "peers") == "", "no peer is left")
