"""What the proxy's own command does besides running, and what the kernel counts for its metrics."""

from __future__ import annotations

import socket
import struct
import sys
from pathlib import Path

from sampan.network.proxy import machine, modes
from sampan.network.proxy.iptables.backend import IptablesBackend

from .conftest import SETTINGS
from .test_services import VIP, service
from .world import NODE, World, inside

SYN_AND_FIN = 3
"""Flags that no segment has together."""


def test_what_iptables_counts(world: World) -> None:
    """Who uses a node port at the loopback, and what the tracker holds for invalid; others are not counted."""
    pod, address = world.pod("a")
    world.serve(pod, 8080, "a")
    iptables = IptablesBackend(SETTINGS)
    world.run(iptables.replace({"d/web": service(address)}))
    for where, there, port in ((world.node, "127.0.0.1", 30080), (world.node, NODE, 30080), (world.node, VIP, 80)):
        world.ask(where, there, port)
    assert world.run(told(iptables))["iptables_localhost_nodeports_accepted_packets"] == 1
    assert world.run(told(iptables))["iptables_ct_state_invalid_dropped_packets"] == 0
    with inside(world.outside), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as stray:
        world.command("ip", "-n", world.outside, "route", "add", address, "via", NODE)
        stray.sendto(struct.pack(">HHIIBBHHH", 4000, 8080, 1, 1, 5 << 4, SYN_AND_FIN, 512, 0, 0), (address, 0))
    assert world.run(told(iptables))["iptables_ct_state_invalid_dropped_packets"] == 1
    world.run(iptables.remove())


async def told(backend: IptablesBackend) -> dict[str, int]:
    return dict(backend.statistics()["packets"])


def test_cleaning_up_and_preparing_by_the_command(world: World, tmp_path: Path) -> None:
    """Whatever modes left their rules; what others have stays."""
    for mode in ("nftables", "iptables"):
        backend = modes.BACKENDS[mode](SETTINGS)
        world.run(backend.replace({"d/web": service("10.244.7.2")}))
        backend.close()
    world.command("nft", "add", "table", "ip", "foreign")
    assert world.command("sysctl", "-n", machine.ROUTE_LOCALNET).strip() == "1"
    proxy = (sys.executable, "-m", "sampan", "proxy", "--data-dir", str(tmp_path))
    world.command(*proxy, "--cleanup")
    left = world.command("nft", "list", "ruleset")
    assert "sampan-proxy" not in left and "KUBE-" not in left and "foreign" in left
    assert world.command("sysctl", "-n", machine.ROUTE_LOCALNET).strip() == "0"
    world.command(*proxy, "--init-only")
    assert world.command("sysctl", "-n", machine.ROUTE_LOCALNET).strip() == "1"
    assert "sampan-proxy" not in world.command("nft", "list", "ruleset")
