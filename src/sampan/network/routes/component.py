"""Follows the cluster's nodes and keeps the ways to their pods.

A Node that comes, goes or moves changes the few entries that lead to it, at once. What the kernel refused is tried
again, and once in a while everything is compared with what the kernel holds, lest somebody has taken a route away.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import defaultdict
from typing import Any, Protocol

from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.api.kinds import core_v1
from sampan.client.informers import Informers
from sampan.network.netlink.route import Route
from sampan.network.routes import direct
from sampan.network.routes.kernel import Kernel
from sampan.network.routes.peers import Peer, peer

log = logging.getLogger(__name__)
COMPARE_SECONDS = 30.0


class Tables(Protocol):
    """`add` replaces what leads to the same destination; both raise OSError, and have acted when they return."""

    def held(self) -> set[Route]: ...

    def add(self, entry: Route) -> None: ...

    def delete(self, entry: Route) -> None: ...

    def close(self) -> None: ...


class PodRoutes:
    """`informers` are the process's, started by their owner; `tables` the kernel's when None."""

    def __init__(
        self,
        *,
        informers: Informers,
        clock: Clock,
        rng: random.Random,
        node_name: str,
        tables: Tables | None = None,
    ) -> None:
        self._clock = clock
        self._node_name = node_name
        self._tables = tables or Kernel()
        self._nodes = informers.of(core_v1.Node)
        self._backoff = Backoff(base=0.5, cap=30.0, rng=rng, jitter=0.5)
        self._peers: dict[str, Peer] = {}
        self._entries: dict[str, frozenset[Route]] = {}
        self._pending: set[str] = set()
        self._wake = asyncio.Event()
        self._problems: dict[str, str] = {}

    async def run(self) -> None:
        """Until cancelled; leaves the routes in place."""
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
        return {"peers": len(self._peers), "entries": entries, "problems": dict(self._problems)}

    def _on_node(self, old: Any, new: Any) -> None:
        name = (new or old).metadata.name
        found = peer(new) if new is not None and name != self._node_name else None
        if found == self._peers.get(name):
            return
        if found is None:
            del self._peers[name]
        else:
            self._peers[name] = found
        self._pending.add(name)
        self._wake.set()

    async def _follow(self) -> None:
        failures = 0
        while True:
            await self._wake.wait()
            self._wake.clear()
            pending, self._pending = self._pending, set()
            for name in sorted(pending):
                self._exchange(name)
            failures = failures + 1 if self._problems else 0
            if failures:
                await self._clock.sleep(self._backoff.delay(failures))
                self._pending |= set(self._problems)
                self._wake.set()

    def _exchange(self, name: str) -> None:
        """Makes the entries that lead to one node as they should be."""
        found = self._peers.get(name)
        wanted = direct.entries(found) if found else frozenset()
        before = self._entries.get(name, frozenset())
        try:
            for entry in before - wanted:
                if not self._claimed(entry.destination, name):
                    self._tables.delete(entry)
            for entry in wanted:
                self._tables.add(entry)
        except OSError as error:
            self._problems[name] = f"no way to node {name}: {error.strerror}"
            log.error("no way to the pods of a node node=%s error=%s", name, error)
            return
        self._problems.pop(name, None)
        if wanted:
            self._entries[name] = wanted
        else:
            self._entries.pop(name, None)

    def _claimed(self, destination: str, name: str) -> bool:
        """Whether another node has that range now: its route has replaced the one that is to be deleted."""
        return any(
            entry.destination == destination for other, kept in self._entries.items() if other != name for entry in kept
        )

    async def _compare_forever(self) -> None:
        while True:
            await self._clock.sleep(COMPARE_SECONDS)
            self._compare()

    def _compare(self) -> None:
        """What is there and leads to nobody goes; what is missing comes."""
        held = self._tables.held()
        wanted: dict[str, frozenset[Route]] = defaultdict(frozenset)
        wanted |= {name: direct.entries(found) for name, found in self._peers.items()}
        for entry in held - frozenset().union(*wanted.values()):
            self._tables.delete(entry)
        for name, entries in wanted.items():
            if not entries <= held:
                self._pending.add(name)
                self._wake.set()
            self._entries[name] = entries & held
