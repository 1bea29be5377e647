"""Follows the cluster's nodes, asks them all the time whether they are there, and tells when that has changed."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from typing import Any

from sampan.aio.clock import Clock
from sampan.api.kinds import core_v1
from sampan.client.informers import Informers
from sampan.network.liveness.judgement import Judgement, Place
from sampan.network.liveness.probes import KernelProbes, Probes
from sampan.network.routes.peers import node_addresses

log = logging.getLogger(__name__)
LEAST_SECONDS, MOST_SECONDS = 0.05, 0.5
"""Between two looks: nodes that are due together are asked together."""


class PeerLiveness:
    """Those in `tell` hear which nodes are unreachable whenever that has changed; `informers` are started by their
    owner; `probes`: the kernel's when None."""

    def __init__(
        self,
        *,
        informers: Informers,
        clock: Clock,
        rng: random.Random,
        node_name: str,
        tell: Sequence[Callable[[frozenset[str]], None]],
        probes: Callable[[], Probes] | None = None,
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._node_name = node_name
        self._tell = tuple(tell)
        self._open = probes or (lambda: KernelProbes(rng.getrandbits(64)))
        self._nodes = informers.of(core_v1.Node)
        self._judgement = Judgement()
        self._unreachable: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Until cancelled."""
        self._nodes.add_handler(self._on_node)
        await self._nodes.synced()
        probes = self._open()
        try:
            while True:
                self._look(probes)
                wait = self._judgement.next_due() - self._clock.monotonic()
                await self._clock.sleep(min(max(wait, LEAST_SECONDS), MOST_SECONDS))
        finally:
            probes.close()

    def statistics(self) -> dict[str, Any]:
        return {**self._judgement.statistics(), "unreachable": sorted(self._unreachable)}

    def _on_node(self, old: Any, new: Any) -> None:
        name = (new or old).metadata.name
        place = _place(new) if new is not None and name != self._node_name else None
        if place is None:
            self._judgement.forget(name)
        else:
            first = self._clock.monotonic() + self._rng.random() * self._judgement.interval
            self._judgement.follow(name, place, first)

    def _look(self, probes: Probes) -> None:
        now = self._clock.monotonic()
        self._judgement.heard(probes.received())
        for probe in self._judgement.probes(now):
            probes.send(probe)
        found = self._judgement.unreachable()
        if found == self._unreachable:
            return
        for name in sorted(found ^ self._unreachable):
            log.warning("a node %s node=%s", "does not answer" if name in found else "answers again", name)
        self._unreachable = found
        for tell in self._tell:
            tell(found)


def _place(node: Any) -> Place | None:
    """Where the node is asked: its first address, at its kubelet's port; None when it has none yet."""
    found = next(iter(node_addresses(node)), "")
    endpoints = node.status.daemonEndpoints if found else None
    kubelet = endpoints.kubeletEndpoint if endpoints is not None else None
    return Place(found, (kubelet.Port if kubelet is not None else None) or 0) if found else None
