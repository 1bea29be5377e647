"""Nodes come, go and move, and the ways to their pods with them."""

from __future__ import annotations

import asyncio
import errno
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sampan.aio.tasks import TaskOwner
from sampan.api.kinds import core_v1, meta_v1
from sampan.client.informers import Informers
from sampan.network.netlink.link import Vxlan
from sampan.network.routes import wireguard
from sampan.network.routes.component import COMPARE_SECONDS, PodRoutes
from sampan.network.routes.entries import Encrypted, Entry, Forward, Neighbour, Route
from sampan.network.routes.mtu import reduced
from sampan.network.routes.peers import KEY_ANNOTATION, peer
from sampan.network.routes.wireguard import WireGuardEnd
from sampan.testing.clock import VirtualClock
from sampan.testing.fakeapi import FakeApi

KEY = bytes(range(32))


class Tables:
    """A kernel's tables; what leads to a node in `nowhere` is refused, those in `far` are on other networks."""

    def __init__(self) -> None:
        self.entries: set[Entry] = {Route("10.244.9.0/24", "192.0.2.99")}
        self.nowhere: set[str] = set()
        self.far: set[str] = set()
        self.tunnel: Vxlan | None = None
        self.no_tunnel = False
        self.changes = 0

    def held(self) -> set[Entry]:
        return set(self.entries)

    def add(self, entry: Entry) -> None:
        self.changes += 1
        if isinstance(entry, Route):
            if entry.gateway in self.nowhere:
                raise OSError(errno.ENETUNREACH, "Network is unreachable")
            self.entries -= {e for e in self.routes if e.destination == entry.destination}
        if entry.device and not self.tunnel:
            raise OSError(errno.ENODEV, f"there is no interface {entry.device}")
        self.entries.add(entry)

    def delete(self, entry: Entry) -> None:
        self.changes += 1
        self.entries.discard(entry)

    def near(self, address: str) -> bool:
        return address not in self.far

    def underlay_mtu(self, address: str) -> int:
        return 1500

    def ensure(self, wanted: Vxlan, addresses: list[str]) -> None:
        if self.no_tunnel:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        if self.tunnel and self.tunnel.local != wanted.local:
            self.entries = {entry for entry in self.entries if not entry.device}
        self.tunnel = wanted

    def ensure_encrypted(self, wanted: WireGuardEnd, addresses: list[str]) -> None:
        self.encrypted, self.inner = wanted, addresses

    def close(self) -> None: ...

    @property
    def routes(self) -> set[Route]:
        return {entry for entry in self.entries if isinstance(entry, Route)}

    @property
    def ways(self) -> dict[str, str]:
        return {entry.destination: entry.gateway for entry in self.routes}


def node(name: str, address: str, *ranges: str) -> Any:
    return core_v1.Node(
        metadata=meta_v1.ObjectMeta(name=name),
        spec=core_v1.NodeSpec(podCIDRs=list(ranges)),
        status=core_v1.NodeStatus(addresses=[core_v1.NodeAddress(type="InternalIP", address=address)]),
    )


class Setting:
    def __init__(self, mode: str = "auto") -> None:
        self.clock = VirtualClock()
        self.api = FakeApi(self.clock)
        self.tables = Tables()
        rng = random.Random(1)
        self.informers = Informers(self.api, self.clock, rng)
        self.routes = PodRoutes(
            informers=self.informers, clock=self.clock, rng=rng, node_name="n1", mode=mode, key=KEY, tables=self.tables
        )

    async def run(self) -> None:
        async with TaskOwner("test") as owner:
            self.informers.start(owner)
            await self.routes.run()


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    setting = Setting()
    setting.api.add(node("n1", "192.0.2.1", "10.244.0.0/24"), node("n2", "192.0.2.2", "10.244.1.0/24"))
    task = asyncio.create_task(setting.run())
    await setting.clock.advance(1)
    yield setting
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_ways_lead_to_the_others_and_what_led_to_nobody_is_gone(setting: Setting) -> None:
    assert setting.tables.ways == {"10.244.1.0/24": "192.0.2.2"}
    assert setting.routes.healthy()
    assert setting.routes.statistics() == {"mode": "auto", "peers": 1, "entries": 1, "problems": {}}


async def test_a_node_comes_moves_and_goes(setting: Setting) -> None:
    setting.api.add(node("n3", "192.0.2.3", "10.244.2.0/24"))
    await setting.clock.advance(0)
    assert setting.tables.ways["10.244.2.0/24"] == "192.0.2.3"
    changes = setting.tables.changes
    setting.api.change(core_v1.Node, "n3", None, lambda n: setattr(n.status.addresses[0], "address", "192.0.2.30"))
    await setting.clock.advance(0)
    assert setting.tables.ways["10.244.2.0/24"] == "192.0.2.30"
    assert setting.tables.changes <= changes + 2, "what leads to others is left alone"
    setting.api.remove(core_v1.Node, "n3")
    await setting.clock.advance(0)
    assert setting.tables.ways == {"10.244.1.0/24": "192.0.2.2"}


async def test_a_change_that_moves_nobody_touches_nothing(setting: Setting) -> None:
    changes = setting.tables.changes
    setting.api.change(core_v1.Node, "n2", None, lambda n: setattr(n.metadata, "labels", {"a": "b"}))
    await setting.clock.advance(1)
    assert setting.tables.changes == changes


async def test_a_range_that_goes_from_one_node_to_another(setting: Setting) -> None:
    setting.api.add(node("n3", "192.0.2.3", "10.244.1.0/24"))
    await setting.clock.advance(0)
    setting.api.remove(core_v1.Node, "n2")
    await setting.clock.advance(0)
    assert setting.tables.ways == {"10.244.1.0/24": "192.0.2.3"}


async def test_a_node_that_is_not_reached_is_told_and_tried_again(setting: Setting) -> None:
    setting.tables.nowhere.add("198.51.100.3")
    setting.api.add(node("n3", "198.51.100.3", "10.244.2.0/24"))
    await setting.clock.advance(0)
    assert setting.routes.statistics()["problems"] == {
        "n3": "no way to the pods of node n3: it is on no network of this node's: use --pod-network vxlan"
    }
    setting.tables.nowhere.clear()
    await setting.clock.advance(60)
    assert setting.routes.healthy() and "10.244.2.0/24" in setting.tables.ways


async def test_a_route_that_somebody_took_away_is_put_back(setting: Setting) -> None:
    setting.tables.entries.clear()
    await setting.clock.advance(COMPARE_SECONDS + 1)
    assert setting.tables.ways == {"10.244.1.0/24": "192.0.2.2"}


async def test_a_node_on_another_network_is_reached_through_a_tunnel(setting: Setting) -> None:
    setting.tables.far.add("198.51.100.3")
    setting.api.add(node("n3", "198.51.100.3", "10.244.2.0/24"))
    await setting.clock.advance(0)
    tunnel = setting.tables.tunnel
    assert tunnel is not None and (tunnel.local, tunnel.mtu) == ("192.0.2.1", 1450)
    hardware = next(entry.hardware for entry in setting.tables.entries if isinstance(entry, Forward))
    through = {
        Forward(hardware, "198.51.100.3", "sampan-vxlan"),
        Neighbour("10.244.2.0", hardware, "sampan-vxlan"),
        Route("10.244.2.0/24", "10.244.2.0", "sampan-vxlan"),
    }
    assert setting.tables.entries == {Route("10.244.1.0/24", "192.0.2.2"), *through}
    setting.api.change(core_v1.Node, "n1", None, lambda n: setattr(n.status.addresses[0], "address", "192.0.2.10"))
    await setting.clock.advance(0)
    assert setting.tables.tunnel is not None and setting.tables.tunnel.local == "192.0.2.10"
    assert through <= setting.tables.entries, "an address that changes begins all tunnels anew"
    setting.api.remove(core_v1.Node, "n3")
    await setting.clock.advance(0)
    assert setting.tables.entries == {Route("10.244.1.0/24", "192.0.2.2")}


async def test_encrypted_ways_need_the_others_key() -> None:
    setting = Setting("wireguard")
    told = wireguard.public_key(bytes(reversed(KEY)))
    setting.api.add(node("n1", "192.0.2.1", "10.244.0.0/24"), node("n2", "192.0.2.2", "10.244.1.0/24"))
    task = asyncio.create_task(setting.run())
    await setting.clock.advance(1)
    assert setting.tables.entries == set(), "no key, no way"
    assert (setting.tables.encrypted.key, setting.tables.encrypted.mtu) == (KEY, 1440)
    assert setting.tables.inner, "the node's own packets come from its range, or the other end drops them"
    setting.tables.tunnel = Vxlan("any", 1, 1, "", "", 1)
    for key in ("not base64!", told):
        setting.api.change(
            core_v1.Node, "n2", None, lambda n, k=key: setattr(n.metadata, "annotations", {KEY_ANNOTATION: k})
        )
        await setting.clock.advance(0)
    assert setting.tables.entries == {
        Encrypted(told, "192.0.2.2", 51821, ("10.244.1.0/24",), "sampan-wg"),
        Route("10.244.1.0/24", "", "sampan-wg"),
    }
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_a_key_is_made_once_and_kept_for_root(tmp_path: Path) -> None:
    file = tmp_path / "network" / "key"
    key = wireguard.private_key(file)
    assert wireguard.private_key(file) == key and file.stat().st_mode & 0o777 == 0o600
    file.write_text("c2hvcnQ=")
    with pytest.raises(ValueError, match="32 bytes"):
        wireguard.private_key(file)


async def test_a_kernel_without_tunnels_says_what_to_do(setting: Setting) -> None:
    setting.tables.no_tunnel, setting.tables.tunnel = True, None
    setting.tables.far.add("198.51.100.3")
    setting.api.add(node("n3", "198.51.100.3", "10.244.2.0/24"))
    await setting.clock.advance(0)
    assert "this kernel has no such tunnel: `modprobe vxlan`" in setting.routes.statistics()["problems"]["n3"]
    assert setting.tables.ways == {"10.244.1.0/24": "192.0.2.2"}


async def test_a_range_that_is_this_nodes_own_is_refused(setting: Setting) -> None:
    setting.api.add(node("n3", "192.0.2.3", "10.244.0.128/25"))
    await setting.clock.advance(0)
    assert "10.244.0.128/25 overlaps this node's, 10.244.0.0/24" in setting.routes.statistics()["problems"]["n3"]
    assert setting.tables.ways == {"10.244.1.0/24": "192.0.2.2"}


@pytest.mark.parametrize(
    "mode, address, whole, wanted",
    [
        ("direct", "192.0.2.1", 1500, 1500),
        ("auto", "192.0.2.1", 1500, 1500),
        ("vxlan", "192.0.2.1", 1500, 1450),
        ("vxlan", "2001:db8::1", 1500, 1430),
        ("vxlan", "192.0.2.1", 65536, 8950),
        ("wireguard", "192.0.2.1", 1500, 1440),
    ],
)
def test_how_large_pods_packets_may_be(mode: str, address: str, whole: int, wanted: int) -> None:
    assert reduced(mode, address, whole) == wanted


def test_what_cannot_be_read_of_a_node_is_left_out() -> None:
    assert peer(node("n", "nowhere", "10.244.1.0/24")) is None
    assert peer(node("n", "192.0.2.1", "everything")) is None
    assert peer(core_v1.Node(metadata=meta_v1.ObjectMeta(name="n"))) is None
    both = peer(node("n", "2001:DB8::1", "10.244.1.0/24", "fd00:0::/64"))
    assert both is not None and both.addresses == ("2001:db8::1",) and both.ranges == ("10.244.1.0/24", "fd00::/64")
    assert (both.address(4), both.address(6)) == ("", "2001:db8::1")
