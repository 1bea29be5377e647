"""Many nodes on one machine: they come, are seen, go, and their pods reach each other."""

from __future__ import annotations

import itertools
import signal
import socket
import threading
from pathlib import Path

import pytest

from ..cluster.harness import until
from ..network.world import inside_file
from .pairs import Pods
from .world import World

MEGABYTE, IP_MTU = 1 << 20, 14
MTU, TUNNEL_MTU = 1500, 1450


def readdressed(world: World, number: int, address: str) -> None:
    """The machine has that address instead of the one it had."""
    for command in (
        ("addr", "flush", "dev", "eth0"),
        ("addr", "add", f"{address}/24", "dev", "eth0"),
        ("route", "replace", "default", "via", "172.31.254.1"),
    ):
        world.on(number, "ip", *command)


@pytest.fixture(scope="module")
def pods(world: World) -> dict[int, str]:
    """A pod on each node, by its number, and its address."""
    world.apply(*(world.pod(f"pod-{number}", number) for number in (1, 2, 3)))
    return {number: world.address(f"pod-{number}") for number in (1, 2, 3)}


def test_every_node_is_ready_with_a_range_of_its_own(world: World) -> None:
    nodes = world.get("nodes")["items"]
    assert sorted(node["metadata"]["name"] for node in nodes) == sorted(world.names.values())
    assert len({node["spec"]["podCIDR"] for node in nodes}) == 3
    assert all(world.ready(number) for number in (1, 2, 3))
    shown = world.sampan("status").stdout
    for name in (*world.names.values(), f"{world.names[3]}/agent", "All is well."):
        assert name in shown
    assert world.on(2, "hostname").stdout.strip() == world.names[2]


def test_pods_of_all_nodes_reach_each_other_by_their_own_addresses(world: World, pods: dict[int, str]) -> None:
    for one, other in itertools.product(pods, pods):
        assert "pod-" in world.asks(f"pod-{one}", f"http://{pods[other]}:8080/")
    for number in pods:
        assert world.fetch(number, f"http://{pods[2]}:8080/")


def test_a_node_whose_address_changes_under_it_says_so(world: World, pods: dict[int, str]) -> None:
    place, other = world.places[3], "172.31.254.43"

    def said() -> list[str]:
        events = world.get("events", "-A", "--field-selector", f"involvedObject.name={place.name}")["items"]
        return [f"{each['reason']}: {each['message']}" for each in events]

    def gone(text: str) -> bool:
        return text.startswith("NodeAddressGone") and f"no longer the address {place.address}" in text

    log = place.layout.data_dir / "log" / "agent.log"
    readdressed(world, 3, other)
    until(lambda: f"no longer the address {place.address}" in log.read_text(), "it is noticed")
    readdressed(world, 3, place.address)
    until(lambda: any(map(gone, said())), "it is told")
    until(lambda: world.fetch(3, f"http://{pods[2]}:8080/"), "the ways to others' pods are there again")
    assert world.fetch(2, f"http://{pods[3]}:8080/")


def test_an_agent_dies_and_traffic_flows_on(world: World, pods: dict[int, str]) -> None:
    """Its successor finds the node on another network, and goes through a tunnel where it went straight before."""
    way = "172.31.254.1"
    for command in (
        ("addr", "flush", "dev", "eth0"),
        ("addr", "add", "172.31.254.3/32", "dev", "eth0"),
        ("route", "add", way, "dev", "eth0"),
        ("route", "add", "default", "via", way),
        ("route", "add", world.get("node", world.names[2])["spec"]["podCIDR"], "via", way, "proto", "84"),
    ):
        world.on(3, "ip", *command)
    assert "dev eth0" in world.on(3, "ip", "route", "get", pods[2]).stdout
    first = world.process_of(3, "agent")
    first.signal(signal.SIGKILL)
    assert world.fetch(2, f"http://{pods[3]}:8080/")
    until(lambda: world.process_of(3, "agent").pid != first.pid, "another agent runs")
    until(lambda: "dev sampan-vxlan" in world.on(3, "ip", "route", "get", pods[2]).stdout, "the tunnel is used")
    for one, other in ((3, 2), (2, 3), (3, 1), (1, 3)):
        until(lambda a=one, b=other: world.asks(f"pod-{a}", f"http://{pods[b]}:8080/"), f"{one} reaches {other}")
    sockets = Pods(world, [("default", f"pod-{number}") for number in (2, 3)])
    for one, other, mtu in ((3, 2, TUNNEL_MTU), (2, 3, MTU)):
        assert sent(sockets.file(f"pod-{one}"), pods[other], sockets.file(f"pod-{other}")) == mtu


def sent(source: Path, address: str, target: Path) -> int:
    """Sends a megabyte from pod to pod; how large a packet may be, by what the sender has learned of the way."""
    with inside_file(target):
        server = socket.create_server((address, 9099))
    with inside_file(source):
        client = socket.create_connection((address, 9099), timeout=5)
    with server, client, server.accept()[0] as connection:
        thread = threading.Thread(target=client.sendall, args=(bytes(MEGABYTE),))
        thread.start()
        connection.settimeout(5)
        left = MEGABYTE
        while left:
            left -= len(connection.recv(MEGABYTE))
        thread.join()
        return client.getsockopt(socket.IPPROTO_IP, IP_MTU)


def test_a_second_up_changes_nothing(world: World) -> None:
    def running() -> set[int]:
        return {
            world.process_of(number, name).pid for number in (2, 3) for name in ("supervisor", "containerd", "agent")
        }

    before = running()
    again = world.up("--nodes", "3", "--no-sample")
    assert f"{world.names[2]}, {world.names[3]} run already" in again
    assert running() == before


def test_a_node_that_is_cut_off_is_missed_and_comes_back(world: World, pods: dict[int, str]) -> None:
    with world.cut_off(3), pytest.raises(AssertionError):
        world.fetch(1, f"http://{pods[3]}:8080/", seconds=1)
    until(lambda: world.fetch(1, f"http://{pods[3]}:8080/"), "the pod is reached again")


def test_a_paused_node_answers_again(world: World, pods: dict[int, str]) -> None:
    with world.paused(2), pytest.raises(AssertionError):
        world.fetch(1, f"http://{pods[2]}:8080/", seconds=1)
    until(lambda: world.fetch(1, f"http://{pods[2]}:8080/"), "the pod is reached again")
