"""The node in the API: registered, alive, described."""

from __future__ import annotations

from pathlib import Path

from sampan.api.kinds import core_v1

from .harness import IMAGE, node


async def test_the_node_is_registered_and_renewed(tmp_path: Path) -> None:
    from sampan.api.kinds import coordination_v1

    async with node(tmp_path) as n:
        await n.advance(1)
        made = n.api.peek(core_v1.Node, "n1")
        assert made.metadata.labels["kubernetes.io/hostname"] == "n1"
        assert made.status.capacity == {
            "cpu": "4",
            "memory": "8388608Ki",
            "ephemeral-storage": "104857600Ki",
            "pods": "110",
        }
        lease = n.api.peek(coordination_v1.Lease, "n1", "kube-node-lease")
        assert lease.spec.holderIdentity == "n1"
        await n.advance(10)
        assert n.api.peek(coordination_v1.Lease, "n1", "kube-node-lease").spec.renewTime > lease.spec.renewTime
        writes = n.kubelet.heartbeat.writes
        await n.advance(200)
        assert n.kubelet.heartbeat.writes == writes
        await n.advance(110)
        assert n.kubelet.heartbeat.writes == writes + 1
        n.api.change(core_v1.Node, "n1", None, lambda node: setattr(node.spec, "podCIDR", "10.244.3.0/24"))
        await n.advance(300)
        assert n.cidrs == ["10.244.3.0/24"]


async def test_a_node_that_was_deleted_comes_back(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        await n.advance(1)
        n.api.remove(core_v1.Node, "n1")
        n.runtime.images["new"] = n.runtime.images[IMAGE]
        n.runtime.network_ready = False
        await n.advance(11)
        assert n.api.peek(core_v1.Node, "n1") is not None
