"""The node IPAM controller: each node gets a part of the cluster's pod network, and no two the same."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from sampan.api.kinds import core_v1
from sampan.controllers.context import Context
from sampan.controllers.reconciler import Controller, Permanent

Network = IPv4Network | IPv6Network
IPV6_MASK_SIZE = 64


class Ranges:
    """The cluster's network cut into equal ranges, and which of them are taken. Pure."""

    def __init__(self, cluster: str, mask_size: int) -> None:
        self._cluster = ip_network(cluster)
        self._mask_size = mask_size
        self._step = 2 ** (self._cluster.max_prefixlen - mask_size)
        self.count = 2 ** (mask_size - self._cluster.prefixlen)
        self._taken: dict[int, str] = {}
        self._left: dict[str, int] = {}
        """By owner, what it had last: a Node that was deleted by mistake comes back, and its pods are there still."""
        self._next = 0

    def take(self, cidr: str, owner: str) -> bool:
        """Notes that `owner` has the range; False when another has it. One outside the cluster concerns nobody."""
        place = self._place(cidr)
        return place is None or self._taken.setdefault(place, owner) == owner

    def free(self, cidr: str, owner: str) -> None:
        place = self._place(cidr)
        if place is not None and self._taken.get(place) == owner:
            del self._taken[place]
            if len(self._left) >= self.count:
                self._left.clear()
            self._left[owner] = place

    def next_free(self, owner: str = "") -> str | None:
        """A range nobody has: what this owner had last, or going round so that one just freed is used last; None when
        all are taken."""
        left = self._left.pop(owner, None)
        if left is not None and left not in self._taken:
            return self._text(left)
        for offset in range(self.count):
            place = (self._next + offset) % self.count
            if place not in self._taken:
                self._next = place + 1
                return self._text(place)
        return None

    def _text(self, place: int) -> str:
        return f"{self._cluster.network_address + place * self._step}/{self._mask_size}"

    def _place(self, cidr: str) -> int | None:
        try:
            network: Any = ip_network(cidr, strict=False)
        except ValueError:
            return None
        if network.version != self._cluster.version or not network.subnet_of(self._cluster):
            return None
        return (int(network.network_address) - int(self._cluster.network_address)) // self._step


class NodeIpamController(Controller):
    name = "nodeipam"
    component = "cidrAllocator"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        named = [cidr.strip() for cidr in self.config.cluster_cidr.split(",") if cidr.strip()]
        self.ranges = [Ranges(cidr, IPV6_MASK_SIZE if ":" in cidr else self.config.node_mask_size) for cidr in named]
        self.nodes = self.informer(core_v1.Node)
        self._waiting: set[str] = set()
        if self.ranges:
            self.nodes.add_handler(self._node_changed)

    def _node_changed(self, old: Any, new: Any) -> None:
        if new is None:
            self._free(cidrs(old), old.metadata.name)
            while self._waiting:
                self.queue.add(self._waiting.pop())
            return
        for cidr in cidrs(new):
            self._take(cidr, new.metadata.name)
        if not cidrs(new):
            self.queue.add(new.metadata.name)

    async def reconcile(self, key: str) -> float | None:
        node = self.nodes.get(key)
        if node is None or not self.ranges or cidrs(node) or node.metadata.deletionTimestamp is not None:
            return None
        chosen = [cidr for cidr in (ranges.next_free(key) for ranges in self.ranges) if cidr]
        if len(chosen) < len(self.ranges):
            self._waiting.add(key)
            fewest = min(ranges.count for ranges in self.ranges)
            taken = f"all {fewest} pod networks of {self.config.cluster_cidr} are taken"
            self._tell(node, "CIDRNotAvailable", f": {taken}, delete Nodes that are gone for good")
            raise Permanent(taken)
        for cidr in chosen:
            self._take(cidr, key)
        try:
            await self.write.patch(node, {"spec": {"podCIDR": chosen[0], "podCIDRs": chosen}})
        except Exception:
            self._free(chosen, key)
            self._tell(node, "CIDRAssignmentFailed")
            raise
        return None

    def _tell(self, node: Any, what: str, more: str = "") -> None:
        self.events.event(node, "Normal", what, f"Node {node.metadata.name} status is now: {what}{more}")

    def _take(self, cidr: str, owner: str) -> None:
        for ranges in self.ranges:
            ranges.take(cidr, owner)

    def _free(self, given: Iterable[str], owner: str) -> None:
        for cidr in given:
            for ranges in self.ranges:
                ranges.free(cidr, owner)


def cidrs(node: Any) -> Iterable[str]:
    """The pod networks a node has."""
    spec = node.spec
    if spec is None:
        return ()
    return spec.podCIDRs or ((spec.podCIDR,) if spec.podCIDR else ())
