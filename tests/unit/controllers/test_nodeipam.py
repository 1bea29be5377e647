"""Node IPAM: no two nodes share a pod network."""

from __future__ import annotations

from typing import Any

from sampan.api.kinds import core_v1, meta_v1
from sampan.client.errors import Unreachable
from sampan.controllers.context import Config
from sampan.controllers.nodeipam import NodeIpamController, Ranges
from tests.unit.controllers.harness import world

SMALL = Config(cluster_cidr="10.244.0.0/22")


def node(name: str, cidr: str | None = None) -> Any:
    spec = core_v1.NodeSpec(podCIDR=cidr, podCIDRs=[cidr] if cidr else None)
    return core_v1.Node(metadata=meta_v1.ObjectMeta(name=name), spec=spec)


async def test_nodes_get_what_is_free() -> None:
    async with world(NodeIpamController, config=SMALL) as w:
        w.api.add(node("old", "10.244.1.0/24"))
        await w.settle()
        for name in "abc":
            await w.api.create(node(name))
        await w.settle()
        given = {n.metadata.name: n.spec.podCIDR for n in w.api.all(core_v1.Node)}
        assert sorted(given.values()) == [f"10.244.{n}.0/24" for n in range(4)]
        assert given["old"] == "10.244.1.0/24"


async def test_a_full_network_says_so_and_a_freed_range_is_used() -> None:
    async with world(NodeIpamController, config=SMALL) as w:
        for name in "abcde":
            await w.api.create(node(name))
        await w.settle()
        without = [n.metadata.name for n in w.api.all(core_v1.Node) if not n.spec.podCIDR]
        assert len(without) == 1
        (event,) = w.api.all(core_v1.Event)
        assert (event.reason, event.involvedObject.name) == ("CIDRNotAvailable", without[0])
        assert event.message.endswith(
            "CIDRNotAvailable: all 4 pod networks of 10.244.0.0/22 are taken, delete Nodes that are gone for good"
        )
        await w.api.delete(core_v1.Node, "a")
        await w.settle()
        assert all(n.spec.podCIDR for n in w.api.all(core_v1.Node))


async def test_a_node_that_comes_back_has_its_range_again() -> None:
    """Its pods may still run."""
    async with world(NodeIpamController, config=Config(cluster_cidr="10.244.0.0/22,fd00::/62")) as w:
        for name in "ab":
            await w.api.create(node(name))
        await w.settle()
        had = w.api.peek(core_v1.Node, "a").spec.podCIDRs
        await w.api.delete(core_v1.Node, "a")
        await w.settle()
        for name in "ca":
            await w.api.create(node(name))
        await w.settle()
        assert w.api.peek(core_v1.Node, "a").spec.podCIDRs == had
        assert w.api.peek(core_v1.Node, "c").spec.podCIDRs != had


async def test_a_failed_write_gives_the_range_back() -> None:
    async with world(NodeIpamController, config=SMALL) as w:
        w.api.fail("patch", "nodes", Unreachable("reset"), times=6)
        await w.api.create(node("a"))
        await w.settle(60)
        assert w.api.peek(core_v1.Node, "a").spec.podCIDR


async def test_a_restart_takes_over_what_is_given() -> None:
    async with world(NodeIpamController, config=SMALL) as w:
        await w.api.create(node("a"))
        await w.settle()
        await w.stop()
        await w.api.create(node("b"))
        await w.start()
        assert len({n.spec.podCIDR for n in w.api.all(core_v1.Node)}) == 2


def test_ranges_outside_the_cluster_concern_nobody() -> None:
    ranges = Ranges("10.244.0.0/16", 24)
    assert ranges.take("192.168.0.0/24", "x")
    assert ranges.take("fd00::/64", "x")
    assert ranges.take("nonsense", "x")
    assert ranges.take("10.244.3.0/24", "x")
    assert not ranges.take("10.244.3.0/24", "y")
    assert (ranges.count, ranges.next_free()) == (256, "10.244.0.0/24")
