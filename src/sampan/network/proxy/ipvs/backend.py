"""Tells IPVS, the interface and the table what `plan` says: aside, in threads, for there may be tens of thousands."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from sampan.network import nft, sysctl
from sampan.network.errors import Unusable
from sampan.network.netfilter import RuleSet
from sampan.network.proxy import flows
from sampan.network.proxy.backend import Change, Ports
from sampan.network.proxy.conntrack import FlowCleaner
from sampan.network.proxy.ipvs import messages
from sampan.network.proxy.ipvs.interface import NAME, Interface
from sampan.network.proxy.ipvs.messages import Held
from sampan.network.proxy.ipvs.netlink import Ipvs
from sampan.network.proxy.ipvs.plan import Found, State, Steps, is_ours
from sampan.network.proxy.ipvs.table import TABLE
from sampan.network.proxy.ipvs.tuning import DEFAULT, Tuning
from sampan.network.proxy.settings import Settings, family_of

log = logging.getLogger(__name__)

SYSCTLS = {
    "net.ipv4.vs.conntrack": "1",
    "net.ipv4.vs.expire_nodest_conn": "1",
    "net.ipv4.vs.expire_quiescent_template": "1",
}
"""As kube-proxy sets them where the kernel is as new as Debian 12's: what IPVS translates can be masqueraded, and who
held on to an endpoint that is gone, or that is going, is led to another."""
STRICT_ARP = {"net.ipv4.conf.all.arp_ignore": "1", "net.ipv4.conf.all.arp_announce": "2"}
"""Only the interface that has an address answers for it, as those want who announce load balancers' addresses."""


class IpvsBackend:
    """`proxy.backend.Backend` by IPVS, in the network namespace of this process."""

    def __init__(self, settings: Settings, *, tuning: Tuning = DEFAULT) -> None:
        self._settings = settings
        self._sysctls = SYSCTLS | (STRICT_ARP if tuning.strict_arp else {})
        self._ipvs = Ipvs()
        self._interface = Interface(settings.family)
        self._tuning = tuning
        self._state = State(settings, tuning)
        self._nft = nft.Session()
        self._kernel = RuleSet()
        self._cleaner = FlowCleaner()
        self._generation = -1
        self._nodes: tuple[str, ...] = ()

    async def replace(self, services: Mapping[str, Ports]) -> None:
        servers = self._servers()
        for name, value in self._sysctls.items():
            sysctl.ensure(name, value)
        if (timeouts := messages.timeouts(self._tuning)) is not None:
            self._ipvs.send([timeouts])
        self._interface.ensure()
        found = await self._found(servers)
        self._nodes = found.nodes
        await self._carry_out(await asyncio.to_thread(self._state.replace, services, found))
        self._generation = self._kernel.generation()
        await self._cleaner.clean(flows.udp_frontends(services.values()))

    async def update(self, changes: Sequence[Change]) -> None:
        untouched = self._kernel.generation() == self._generation
        await self._carry_out(self._state.update(changes))
        if untouched:
            self._generation = self._kernel.generation()
        await self._cleaner.clean(flows.changed_frontends(changes))

    async def damaged(self) -> bool:
        """Looks after endpoints that are draining, too: this is asked every few seconds."""
        for virtual in self._state.draining():
            self._ipvs.send(self._state.reaped(virtual, self._ipvs.reals(virtual)))
        lacking = self._lacking()
        if lacking:
            log.info("not as it was told: %s", lacking)
        return bool(lacking)

    def _lacking(self) -> str:
        """What differs from what was written; "" when nothing does."""
        nodes, bound = self._interface.addresses()
        if nodes != self._nodes:
            return f"the node's addresses were {self._nodes} and are {nodes}"
        if missing := self._state.bound() - {*bound}:
            return f"{NAME} lacks {sorted(missing)[:5]}"
        if gone := self._state.servers() - {held.virtual for held in self._servers()}:
            return f"{len(gone)} virtual servers are gone"
        generation = self._kernel.generation()
        if generation != self._generation and not self._has_table():
            return f"the table {TABLE} is gone"
        self._generation = generation
        return ""

    async def remove(self) -> None:
        """What has neither interface nor table is not asked for, lest the kernel load IPVS."""
        there = self._interface.exists()
        if there or self._has_table():
            try:
                found = await self._found(self._servers())
                own = [
                    held.virtual for held in found.servers if is_ours(held.virtual, found, self._settings, self._tuning)
                ]
                self._ipvs.send([messages.removal(virtual) for virtual in own])
            except (Unusable, OSError) as error:
                log.info("no virtual servers to take away error=%s", error)
            name = f"{self._settings.family.table} {TABLE}"
            await self._nft.apply(f"add table {name}\ndelete table {name}\n")
        if there:
            self._interface.remove()
        self.close()

    def close(self) -> None:
        for each in (self._ipvs, self._interface, self._nft, self._kernel):
            each.close()

    def statistics(self) -> dict[str, Any]:
        counts = {"virtualServers": len(self._state.servers()), "draining": len(self._state.draining())}
        return {**counts, **self._cleaner.statistics()}

    async def _carry_out(self, steps: Steps) -> None:
        if steps.come:
            await asyncio.to_thread(self._interface.bind, steps.come)
        if steps.rules:
            await self._nft.apply(steps.rules)
        await asyncio.to_thread(self._ipvs.send, steps.requests)
        if steps.gone:
            await asyncio.to_thread(self._interface.release, steps.gone)

    async def _found(self, servers: Sequence[Held]) -> Found:
        nodes, bound = self._interface.addresses()
        reals = await asyncio.to_thread(lambda: {held: self._ipvs.reals(held.virtual) for held in servers})
        return Found(nodes, bound, await self._served(), reals)

    def _servers(self) -> list[Held]:
        """Of this family."""
        return [held for held in self._ipvs.servers() if family_of(held.virtual.address) == self._settings.family.name]

    def _has_table(self) -> bool:
        family = self._settings.family.table
        return any((chain.family, chain.table) == (family, TABLE) for chain in self._kernel.chains())

    async def _served(self) -> frozenset[str]:
        """The table's set of that name."""
        listed = await nft.listing("set", self._settings.family.table, TABLE, "served")
        elements = (element for entry in listed for element in entry.get("set", {}).get("elem", ()))
        return frozenset(" . ".join(map(str, element["concat"])) for element in elements)
