"""`sampan network check` on three nodes: all well, then with faults put in its way, each of which it must name."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sampan.cluster.switch import NAMESPACES

from ..cluster.harness import until
from ..network.world import inside_file
from .world import World

TUNNEL_PORT = 4789

LARGE_TO_PODS = "iifname eth0 ip daddr 10.244.0.0/16 meta length > 1200 drop"


def check(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    return world.sampan("network check", "--outside", "", *arguments, check=False)


def findings(world: World) -> list[str]:
    done = check(world, "-o", "json")
    assert done.returncode == 1 and done.stdout, done.stdout + done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return [str(finding) for finding in document["findings"]]


@contextmanager
def dropping(world: World, number: int, chain: str, rule: str = "") -> Iterator[None]:
    """A firewall of somebody else's on that node."""
    for words in ("add table inet wall", f"add chain inet wall guard {{ {chain} }}"):
        world.on(number, "nft", words)
    if rule:
        world.on(number, "nft", f"add rule inet wall guard {rule}")
    try:
        yield
    finally:
        world.on(number, "nft", "delete table inet wall")


def test_all_is_well(world: World) -> None:
    done = check(world)
    assert done.returncode == 0 and done.stdout.endswith("Everybody reaches everybody.\n"), done.stdout + done.stderr
    assert f"to pod {world.names[3]}" in done.stdout and "FAILED" not in done.stdout
    assert "FROM PODS BY IPv4" in done.stdout and "FROM NODES BY IPv6" in done.stdout


def test_a_firewall_and_forwarding_turned_off_are_named(world: World) -> None:
    """Also a rule that drops in a chain that accepts what it says nothing of, as iptables writes it."""
    off, rule = "net.ipv4.conf.eth0.forwarding", ("FORWARD", "-s", "10.244.0.0/16", "-p", "tcp", "-j", "REJECT")
    world.on(2, "sysctl", "-qw", f"{off}=0")
    world.on(1, "iptables", "-I", *rule)
    try:
        with dropping(world, 3, "type filter hook forward priority 0; policy drop;"):
            found = findings(world)
    finally:
        world.on(2, "sysctl", "-qw", f"{off}=1")
        world.on(1, "iptables", "-D", *rule)
    there = f"chain FORWARD of table ip filter on node {world.names[1]} may drop it: `"
    assert any(there in text and "ip saddr 10.244.0.0/16" in text and "reject`" in text for text in found), found
    assert f"node {world.names[2]} does not forward packets from eth0: `sysctl -w {off}=1`" in found[0]
    assert f"chain guard of table inet wall on node {world.names[3]} drops what pods send" in found[1]
    assert any(f"pods on node {world.names[1]} to {world.names[3]}: no packet gets through" in text for text in found)


def test_large_packets_that_get_lost_are_named(world: World) -> None:
    with dropping(world, 3, "type filter hook prerouting priority -300;", LARGE_TO_PODS):
        found = findings(world)
    rule = 'iifname "eth0" ip daddr 10.244.0.0/16 meta length > 1200 drop'
    assert f"chain guard of table inet wall on node {world.names[3]} may drop it: `{rule}`" in found[0], found
    assert f"large packets from node {world.names[1]} to {world.names[3]} get lost" in found[1], found


def test_a_tunnel_that_cannot_be_made_is_named(world: World) -> None:
    """As by a kernel without the module; here somebody else has the port. IPv6 goes through the tunnel here."""

    def told() -> str:
        return world.fetch(3, "http://127.0.0.1:10249/statusz")

    with inside_file(NAMESPACES / world.places[3].outlet.namespace):
        other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with other:
        world.on(3, "ip", "link", "delete", "sampan-vxlan")
        other.bind(("0.0.0.0", TUNNEL_PORT))
        world.process_of(3, "agent").signal(signal.SIGKILL)
        until(lambda: "tunnel's UDP port" in told(), "the agent could not make its tunnel")
        found = findings(world)
    assert any(f"node {world.names[3]}: no way to the pods of node" in text and "ss -ulpn" in text for text in found)
    until(lambda: json.loads(told())["routes"]["problems"] == {}, "the tunnel is made as soon as it can be")
