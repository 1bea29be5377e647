"""Follows the cluster's nodes and keeps BIRD's configuration equal to what they say, and BIRD running."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.api.kinds import core_v1
from sampan.client.informers import Informers
from sampan.network.bgp.bird import configuration
from sampan.network.bgp.fabric import Fabric, Neighbour, mesh, number_of
from sampan.network.bgp.process import Refused
from sampan.network.errors import Unusable
from sampan.network.routes.peers import Peer, peer

log = logging.getLogger(__name__)
COALESCE_SECONDS = 0.1
LOOK_SECONDS = 2.0


class Speaker(Protocol):
    """What speaks BGP: `process.Bird`. `log` is its file."""

    log: str

    async def use(self, text: str) -> bool: ...

    async def problems(self) -> dict[str, str]: ...


class BgpRoutes:
    """`informers` are the process's, started by their owner; `near` tells whether an address is on a network of this
    node's, `link_local` this node's own IPv6 address there; `cluster`: all pods' ranges; `passwords`: reads them anew
    each time, so that a change is taken up."""

    def __init__(
        self,
        *,
        informers: Informers,
        clock: Clock,
        rng: random.Random,
        node_name: str,
        fabric: Fabric,
        cluster: Sequence[str],
        speaker: Speaker,
        near: Callable[[str], bool],
        link_local: Callable[[str], str],
        passwords: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._clock = clock
        self._node_name = node_name
        self._fabric = fabric
        self._cluster = cluster
        self._speaker = speaker
        self._near = near
        self._link_local = link_local
        self._passwords = passwords
        self._nodes = informers.of(core_v1.Node)
        self._backoff = Backoff(base=0.5, cap=30.0, rng=rng, jitter=0.5)
        self._peers: dict[str, tuple[Peer, int]] = {}
        self._wake = asyncio.Event()
        self._problems: dict[str, str] = {"": "not yet synchronized"}
        self._configurations = 0

    async def run(self) -> None:
        """Until cancelled, and again after a failure; the speaker goes on."""
        self._nodes.add_handler(self._on_node)
        await self._nodes.synced()
        self._wake.set()
        async with TaskOwner("bgp") as owner:
            owner.start(self._follow, name="follow")
            owner.start(self._look_forever, name="look")
            await owner.wait()

    def healthy(self) -> bool:
        return not self._problems

    def statistics(self) -> dict[str, Any]:
        problems = {name: told(name, reason) for name, reason in self._problems.items()}
        return {"mode": "bgp", "configurations": self._configurations, "problems": problems}

    def _on_node(self, old: Any, new: Any) -> None:
        name = (new or old).metadata.name
        found = peer(new) if new is not None else None
        known = (found, number_of(new, self._fabric.number)) if found is not None else None
        if known == self._peers.get(name):
            return
        self._peers.pop(name, None)
        if known is not None:
            self._peers[name] = known
        if self._fabric.mesh or name == self._node_name:
            self._wake.set()

    async def _follow(self) -> None:
        failures = 0
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._apply()
            except (Refused, Unusable, OSError) as error:
                failures += 1
                self._problems = {"": str(error)}
                log.error("pods' ranges are not announced error=%s", error)
                await self._clock.sleep(self._backoff.delay(failures))
                self._wake.set()
                continue
            failures = 0
            await self._clock.sleep(COALESCE_SECONDS)

    async def _apply(self) -> None:
        """Nothing is told before this node has a range."""
        if (known := self._peers.get(self._node_name)) is None:
            return
        own, neighbours = known[0], self._neighbours(known[0])
        secrets = self._passwords()
        text = configuration(own, self._fabric, neighbours, self._cluster, self._speaker.log, secrets)
        self._configurations += await self._speaker.use(text)
        self._problems.pop("", None)

    def _neighbours(self, own: Peer) -> list[Neighbour]:
        routers = [each._replace(near=self._near(each.address)) for each in self._fabric.routers]
        others = [known for name, known in sorted(self._peers.items()) if name != self._node_name]
        return routers + (mesh(own, others, self._near, self._link_local) if self._fabric.mesh else [])

    async def _look_forever(self) -> None:
        """A speaker that died is brought back, and sessions that are down are told of."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            self._wake.set()
            if "" not in self._problems:
                await self._look()

    async def _look(self) -> None:
        try:
            found = await self._speaker.problems()
        except (Unusable, OSError) as error:
            found = {"bird": str(error)}
        for name, reason in found.items():
            if self._problems.get(name) != reason:
                log.warning("no BGP session neighbour=%s state=%s", name, reason)
        self._problems = found


def told(neighbour: str, reason: str) -> str:
    """For a person; what concerns no neighbour speaks for itself."""
    if not neighbour:
        return reason
    return f"no BGP session with {neighbour}: {reason}: see whether both ends have the same password and AS numbers"
