"""Three nodes, each on a network of its own behind a router that knows their pods by BGP alone; then without it."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sampan.aio.clock import SystemClock
from sampan.aio.tasks import TaskOwner
from sampan.api.kinds import core_v1, meta_v1
from sampan.client.informers import Informers
from sampan.network.bgp.component import BgpRoutes
from sampan.network.bgp.fabric import fabric
from sampan.network.bgp.process import Bird
from sampan.network.errors import Unusable
from sampan.network.routes.kernel import link_local, near
from sampan.testing.fakeapi import FakeApi

from .background import Background
from .world import inside

CLUSTER = ("10.244.0.0/16", "fd00:244::/48")
ROUTER_AS, NODES_AS = 65000, 64512
PASSWORD = "for-the-router"
ROUTER = """\
log stderr all;
router id 192.0.2.99;
protocol device {{ }}
protocol direct {{ ipv4; ipv6; }}
protocol kernel {{ ipv4 {{ export where source = RTS_BGP; }}; }}
protocol kernel {{ ipv6 {{ export where source = RTS_BGP; }}; }}
protocol bfd {{ interface "*" {{ interval 100 ms; multiplier 5; }}; }}
{sessions}"""
SESSION = """\
protocol bgp {{
  local as 65000; neighbor {address} as 64512; bfd; graceful restart; error wait time 1, 2; {password}
  ipv{version} {{ import all; export all; }};
}}
"""


class Node:
    """A network namespace with a cable to the router, a pod's addresses, and the component on it."""

    def __init__(self, number: int, place: Place) -> None:
        self.number, self.place = number, place
        self.node = place.namespace(f"n{number}")
        self.pods = {4: f"10.244.{number}.5", 6: f"fd00:244:0:{number}::5"}
        self.ranges = [f"10.244.{number}.0/24", f"fd00:244:0:{number}::/64"]
        self.address, self.router = f"192.0.{number}.1", f"192.0.{number}.2"
        self.addresses = {4: (self.address, self.router), 6: (f"fd00:{number}::1", f"fd00:{number}::2")}
        self.passwords = {self.router: PASSWORD}
        self.bird: Bird
        self.routes: BgpRoutes
        self._cable()
        self.background = Background(self)  # type: ignore[arg-type]

    def begin(self) -> None:
        async def make() -> None:
            self.api = FakeApi()
            self.api.add(*(_manifest(node) for node in self.known()))
            self.bird = Bird(self.place.folder / f"bird{self.number}", SystemClock())
            given: Any = {"clock": SystemClock(), "rng": random.Random(1)}
            self.informers = Informers(self.api, **given)
            self.routes = BgpRoutes(
                **given, informers=self.informers, node_name=f"n{self.number}", fabric=fabric("", self.peers()),
                cluster=CLUSTER, speaker=self.bird, near=near, link_local=link_local, passwords=lambda: self.passwords,
            )  # fmt: skip

        async def run() -> None:
            async with TaskOwner("test") as owner:
                self.informers.start(owner)
                await self.routes.run()

        self.background.call(make)
        self.background.start(run)

    def known(self) -> list[Node]:
        """Whom the API tells of."""
        return [self]

    def peers(self) -> str:
        return ",".join(f"{ROUTER_AS}@{router}" for _, router in self.addresses.values())

    def moves(self, *ranges: str) -> None:
        async def change() -> None:
            self.api.change(core_v1.Node, f"n{self.number}", None, lambda node: setattr(node.spec, "podCIDRs", ranges))

        self.background.call(change)

    def knows(self, *others: Node) -> bool:
        listing = self.command("ip", "route") + self.command("ip", "-6", "route")
        return all(f"{cidr} via" in listing for other in others for cidr in other.ranges)

    def command(self, *words: str) -> str:
        return _run("ip", "netns", "exec", self.node, *words)

    def asks(self, other: Node, version: int) -> str:
        """As whom a pod here appears to a pod there."""
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        with inside(other.node):
            server = socket.create_server((other.pods[version], 8080), family=family)
        with inside(self.node), server, socket.socket(family) as client:
            client.settimeout(2)
            client.bind((self.pods[version], 0))
            client.connect((other.pods[version], 8080))
            connection, client_address = server.accept()
            connection.close()
            return str(client_address[0])

    def end(self) -> None:
        """Not before the component that would start it anew."""
        self.background.close()
        with inside(self.node):
            asyncio.run(self.bird.remove(CLUSTER))

    def _cable(self) -> None:
        here, there = self.node, self.place.router
        _run("ip", "-n", here, "link", "add", "eth0", "type", "veth", "peer", "name", f"r{self.number}", "netns", there)
        for namespace, device, turn in ((here, "eth0", 0), (there, f"r{self.number}", 1)):
            for version, length in ((4, 24), (6, 64)):
                address = f"{self.addresses[version][turn]}/{length}"
                _run("ip", "-n", namespace, "addr", "add", address, "dev", device, *(["nodad"] if version == 6 else []))
            _run("ip", "-n", namespace, "link", "set", device, "up")
        for version, address in self.pods.items():
            _run("ip", "-n", here, f"-{version}", "addr", "add", address, "dev", "lo")
            _run("ip", "-n", here, f"-{version}", "route", "add", "default", "via", self.addresses[version][1])


class Place:
    """The router and its nodes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._prefix = f"sampan-bgp-{os.getpid()}"
        self._namespaces: list[str] = []
        self.router = self.namespace("router")
        for switch in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            _run("ip", "netns", "exec", self.router, "sysctl", "-qw", f"{switch}=1")
        self.nodes = [Node(number, self) for number in (1, 2, 3)]
        sessions = [
            SESSION.format(address=address, version=version, password=f'password "{PASSWORD}";' if version == 4 else "")
            for node in self.nodes
            for version, (address, _) in node.addresses.items()
        ]
        file = folder / "router.conf"
        file.write_text(ROUTER.format(sessions="".join(sessions)))
        words = ("bird", "-f", "-c", file, "-s", folder / "router.ctl")
        self._speaker = subprocess.Popen(("ip", "netns", "exec", self.router, *words), stderr=subprocess.DEVNULL)
        for node in self.nodes:
            node.begin()

    def namespace(self, name: str) -> str:
        full = f"{self._prefix}-{name}"
        _run("ip", "netns", "add", full)
        self._namespaces.append(full)
        _run("ip", "-n", full, "link", "set", "lo", "up")
        return full

    def close(self) -> None:
        for node in self.nodes:
            node.end()
        self._speaker.terminate()
        self._speaker.wait()
        for name in self._namespaces:
            _run("ip", "netns", "delete", name)


def _manifest(node: Node) -> Any:
    return core_v1.Node(
        metadata=meta_v1.ObjectMeta(name=f"n{node.number}"),
        spec=core_v1.NodeSpec(podCIDRs=node.ranges),
        status=core_v1.NodeStatus(addresses=[core_v1.NodeAddress(type="InternalIP", address=node.address)]),
    )


def _run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    if os.geteuid():
        pytest.skip("needs root: makes network namespaces")
    place = Place(tmp_path)
    try:
        yield place
    finally:
        place.close()


def test_pods_behind_a_router_and_a_node_that_dies(place: Place) -> None:
    one, two, three = place.nodes
    one.background.until(lambda: one.knows(two, three) and two.knows(one, three) and three.knows(one, two))
    one.background.until(lambda: all(node.routes.healthy() for node in place.nodes))
    for version in (4, 6):
        assert one.asks(two, version) == one.pods[version], "no address is translated"
        assert three.asks(one, version) == three.pods[version]
    with pytest.raises(OSError, match=r"[Nn]o route|unreachable"):
        socket_to(one, "10.244.1.77")

    two.passwords = {two.router: "another"}
    one.background.until(lambda: list(two.routes.statistics()["problems"]) == ["192_0_2_2"])
    two.passwords = {"": PASSWORD, two.addresses[6][1]: ""}
    one.background.until(lambda: one.knows(two, three) and two.routes.healthy())

    first = one.bird.running()
    assert first
    os.kill(first, signal.SIGKILL)
    one.background.until(lambda: one.bird.running() not in (None, first))
    assert one.knows(two, three), "the kernel goes on meanwhile"

    _run("ip", "-n", place.router, "link", "set", "r3", "down")
    one.background.until(lambda: one.knows(two) and two.knows(one) and not one.knows(three))
    three.background.until(lambda: "192_0_3_2" in three.routes.statistics()["problems"])

    two.moves("10.244.22.0/24")
    one.background.until(lambda: "10.244.22.0/24 via" in one.command("ip", "route") and not one.knows(two))
    with pytest.raises(Unusable, match="another BIRD runs on this node"):
        two.background.call(lambda: Bird(place.folder / "second", SystemClock()).use(ROUTER.format(sessions="")))
    one.background.call(lambda: one.bird.remove(CLUSTER))
    assert "bird" not in one.command("ip", "route")
    assert not list((place.folder / "bird1").iterdir())


def socket_to(node: Node, address: str) -> None:
    with inside(node.node), socket.create_connection((address, 9), timeout=2):
        pass
