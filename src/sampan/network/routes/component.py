"""Follows the cluster's nodes and keeps the ways to their pods.

A Node that comes, goes or moves changes the few entries that lead to it, at once. What the kernel refused is tried
again, and once in a while everything is compared with what the kernel holds, lest somebody has taken a route away.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import random
from collections.abc import Callable
from typing import Any, Protocol

from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.api.kinds import core_v1
from sampan.client.informers import Informers
from sampan.network.netlink.link import Vxlan
from sampan.network.routes import direct, vxlan, wireguard
from sampan.network.routes.entries import Entry, Route, ordered
from sampan.network.routes.kernel import Kernel
from sampan.network.routes.mtu import reduced
from sampan.network.routes.peers import Peer, clash, peer
from sampan.network.routes.wireguard import WireGuardEnd

log = logging.getLogger(__name__)
COMPARE_SECONDS = 30.0
AUTO, DIRECT, WIREGUARD = "auto", "direct", "wireguard"
"""`auto`: direct to the nodes on a network of this one's, by VXLAN to others."""
ADVICE = {
    errno.ENETUNREACH: "it is on no network of this node's: use --pod-network vxlan",
    errno.EHOSTUNREACH: "it is on no network of this node's: use --pod-network vxlan",
    errno.EOPNOTSUPP: "this kernel has no such tunnel: `modprobe vxlan` (or wireguard), or use another --pod-network",
    errno.EPERM: "run as root (CAP_NET_ADMIN)",
    errno.EADDRINUSE: "another program has the tunnel's UDP port (`ss -ulpn` shows which): end it, or use another "
    "--pod-network",
}


class Tables(Protocol):
    """The kernel's. `add` replaces what leads to the same destination; all raise OSError, and have acted when they
    return."""

    def held(self) -> set[Entry]: ...

    def add(self, entry: Entry) -> None: ...

    def delete(self, entry: Entry) -> None: ...

    def near(self, address: str) -> bool: ...

    def underlay_mtu(self, address: str) -> int: ...

    def ensure(self, wanted: Vxlan, addresses: list[str]) -> None: ...

    def ensure_encrypted(self, wanted: WireGuardEnd, addresses: list[str]) -> None: ...

    def close(self) -> None: ...


class PodRoutes:
    """`informers` are the process's, started by their owner; `tables` the kernel's when None; `key` this node's private
    one, for WireGuard."""

    def __init__(
        self,
        *,
        informers: Informers,
        clock: Clock,
        rng: random.Random,
        node_name: str,
        mode: str = AUTO,
        key: bytes = b"",
        tables: Tables | None = None,
    ) -> None:
        self._clock = clock
        self._node_name = node_name
        self._mode = mode
        self._key = key
        self._open: Callable[[], Tables] = Kernel if tables is None else lambda: tables
        self._tables: Tables
        self._nodes = informers.of(core_v1.Node)
        self._backoff = Backoff(base=0.5, cap=30.0, rng=rng, jitter=0.5)
        self._own: Peer | None = None
        self._peers: dict[str, Peer] = {}
        self._entries: dict[str, frozenset[Entry]] = {}
        self._pending: set[str] = set()
        self._wake = asyncio.Event()
        self._problems: dict[str, str] = {}
        self._no_tunnel = ""

    async def run(self) -> None:
        """Until cancelled, and again after a failure; leaves the routes in place."""
        self._tables = self._open()
        self._nodes.add_handler(self._on_node)
        await self._nodes.synced()
        async with TaskOwner("pod-routes") as owner:
            self._compare()
            owner.start(self._follow, name="follow")
            owner.start(self._compare_forever, name="compare")
            try:
                await owner.wait()
            finally:
                self._tables.close()

    def healthy(self) -> bool:
        return not self._problems

    def statistics(self) -> dict[str, Any]:
        entries = sum(map(len, self._entries.values()))
        return {"mode": self._mode, "peers": len(self._peers), "entries": entries, "problems": dict(self._problems)}

    def _on_node(self, old: Any, new: Any) -> None:
        name = (new or old).metadata.name
        found = peer(new) if new is not None else None
        if name == self._node_name:
            self._moved(found)
        elif found != self._peers.get(name):
            self._peers.pop(name, None)
            if found is not None:
                self._peers[name] = found
            self._mark({name})

    def _moved(self, own: Peer | None) -> None:
        """This node has a range or an address, or another than before: all ways begin anew."""
        if own != self._own:
            self._own = own
            self._mark(set(self._peers))

    def _mark(self, names: set[str]) -> None:
        self._pending |= names
        self._wake.set()

    async def _follow(self) -> None:
        failures = 0
        while True:
            await self._wake.wait()
            self._wake.clear()
            pending, self._pending = self._pending, set()
            self._ensure_tunnel()
            for name in sorted(pending):
                self._exchange(name)
            failures = failures + 1 if self._problems else 0
            if failures:
                await self._clock.sleep(self._backoff.delay(failures))
                self._mark(set(self._problems))

    def _ensure_tunnel(self) -> None:
        """Also where all peers are near: another may see it otherwise, and send through it."""
        if self._own is None or self._mode == DIRECT:
            return
        address, self._no_tunnel = self._own.addresses[0], ""
        try:
            whole = self._tables.underlay_mtu(address)
            inner = [vxlan.inner_address(cidr) for cidr in self._own.ranges]
            if self._mode == WIREGUARD:
                self._tables.ensure_encrypted(wireguard.end(self._key, reduced(WIREGUARD, address, whole)), inner)
            else:
                self._tables.ensure(vxlan.device(self._own, whole), inner)
        except OSError as error:
            self._no_tunnel = ADVICE.get(error.errno or 0, f"no tunnel can be made: {error.strerror or error}")
            log.warning("no tunnel to other nodes error=%s", error)

    def _exchange(self, name: str) -> None:
        """Makes the entries that lead to one node as they should be."""
        found = self._peers.get(name)
        before = self._entries.get(name, frozenset())
        try:
            wanted = self._way(found) if found else frozenset()
            for entry in reversed(ordered(before - wanted)):
                if not self._claimed(entry, name):
                    self._tables.delete(entry)
            for entry in ordered(wanted):
                self._tables.add(entry)
        except OSError as error:
            self._failed(name, error)
            return
        self._problems.pop(name, None)
        self._entries.pop(name, None)
        if wanted:
            self._entries[name] = wanted

    def _failed(self, name: str, error: OSError) -> None:
        reason = self._no_tunnel if error.errno in (errno.ENODEV, errno.ENETDOWN) else ""
        reason = reason or ADVICE.get(error.errno or 0, error.strerror or str(error))
        self._problems[name] = f"no way to the pods of node {name}: {reason}"
        log.error("no way to the pods of a node node=%s error=%s", name, reason)

    def _way(self, to: Peer) -> frozenset[Entry]:
        """The entries by which this node reaches a peer's pods. Raises OSError where its range is ours, too."""
        if self._own and (reason := clash(to, self._own)):
            raise OSError(errno.EEXIST, reason)
        if self._mode == WIREGUARD:
            return wireguard.entries(to)
        if self._mode == DIRECT or (self._mode == AUTO and self._tables.near(to.addresses[0])):
            straight = direct.entries(to)
            rest = tuple(cidr for cidr in to.ranges if all(Route(cidr, a) not in straight for a in to.addresses))
            return straight | vxlan.entries(to, rest) if rest and self._mode == AUTO else straight
        return vxlan.entries(to, to.ranges)

    def _claimed(self, entry: Entry, name: str) -> bool:
        """Whether another node has that range now: its route has replaced the one that is to be deleted."""
        return isinstance(entry, Route) and any(
            isinstance(kept, Route) and kept.destination == entry.destination
            for other, entries in self._entries.items()
            for kept in entries
            if other != name
        )

    async def _compare_forever(self) -> None:
        while True:
            await self._clock.sleep(COMPARE_SECONDS)
            self._compare()

    def _compare(self) -> None:
        """What is there and leads to nobody goes; what is missing comes."""
        self._ensure_tunnel()
        held = self._tables.held()
        wanted = {name: self._wanted(found) for name, found in self._peers.items()}
        for entry in reversed(ordered(held - frozenset().union(*wanted.values()))):
            self._tables.delete(entry)
        for name, entries in wanted.items():
            if not entries <= held:
                self._mark({name})
            self._entries[name] = entries & held

    def _wanted(self, to: Peer) -> frozenset[Entry]:
        try:
            return self._way(to)
        except OSError as error:
            self._failed(to.name, error)
            return frozenset()
