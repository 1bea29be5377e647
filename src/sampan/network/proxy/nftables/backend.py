"""Applies the table to the kernel and notices when somebody else has been at it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from sampan.network import nft
from sampan.network.errors import RefusedByKernel
from sampan.network.netfilter import RuleSet
from sampan.network.proxy import flows, machine
from sampan.network.proxy.backend import Change, Ports
from sampan.network.proxy.conntrack import FlowCleaner
from sampan.network.proxy.nftables import affinity, ruleset
from sampan.network.proxy.nftables.remembering import Rememberer
from sampan.network.proxy.nftables.table import REMEMBER, Table
from sampan.network.proxy.settings import IPV6, Settings

log = logging.getLogger(__name__)
UNCOUNTED = {"source-ranges"}
"""Sets of intervals, whose elements the kernel counts in its own way."""


class NftablesBackend:
    """`proxy.backend.Backend` by nftables, in the network namespace of this process."""

    def __init__(self, settings: Settings, *, flow_cleaner: FlowCleaner | None = None) -> None:
        self._settings = settings
        self._table = Table(settings)
        self._kernel = RuleSet()
        self._nft = nft.Session()
        self._cleaner = flow_cleaner or FlowCleaner()
        self._rememberer = Rememberer()
        self._remembering: set[int] = set()
        self._generation = -1
        self._verified = 0
        self._repairs = 0

    async def replace(self, services: Mapping[str, Ports]) -> None:
        text = await asyncio.to_thread(self._table.replace, services, self._existing_chains())
        try:
            await self._nft.apply(text)
        except RefusedByKernel as error:
            # An older Sampan's table may have maps of other types, which cannot be changed in place.
            log.warning("replacing the whole table error=%s", error)
            await self._nft.apply(self._table.drop_text() + self._table.replace(services))
            self._repairs += 1
        self._remembering = set()
        self._remember()
        await machine.prepare(self._settings)
        self._generation = self._kernel.generation()
        await self._forget_clients(services.values())
        await self._cleaner.clean(flows.udp_frontends(services.values()))

    async def update(self, changes: Sequence[Change]) -> None:
        text = self._table.update(changes)
        if not text:
            return
        untouched = self._kernel.generation() == self._generation
        await self._nft.apply(text)
        self._remember()
        if untouched:
            self._generation = self._kernel.generation()
        await self._clean_after(changes)

    async def damaged(self) -> bool:
        generation = self._kernel.generation()
        if generation == self._generation:
            return False
        self._verified += 1
        whole = await asyncio.to_thread(self._is_whole)
        if whole:
            self._generation = generation
        return not whole

    async def remove(self) -> None:
        if self._existing_chains():
            await self._nft.apply(self._table.drop_text())
        self.close()

    def close(self) -> None:
        for each in (self._nft, self._kernel, self._rememberer):
            each.close()

    def statistics(self) -> dict[str, Any]:
        own = {"verified": self._verified, "repairs": self._repairs}
        return own | self._table.statistics() | self._cleaner.statistics()

    def _remember(self) -> None:
        """Fills the chains that nft's text leaves empty."""
        if self._settings.family is not IPV6:
            return
        for seconds in self._table.timeouts() - self._remembering:
            self._rememberer.add(ruleset.TABLE, f"{REMEMBER}{seconds}", "affinity", seconds)
            self._remembering.add(seconds)

    async def _clean_after(self, changes: Sequence[Change]) -> None:
        sticky = [change for change in changes if any(port.affinity for port in (*change.old, *change.new))]
        if any(_lost_endpoints(change) for change in sticky):
            await self._forget_clients([change.new for change in changes], only=[change.old for change in sticky])
        await self._cleaner.clean(flows.changed_frontends(changes))

    async def _forget_clients(self, services: Any, only: Any = None) -> None:
        """Deletes remembered clients whose endpoint is gone; `only` limits it to the frontends of those services."""
        listing = await nft.listing("map", *self._table.name.split(), "affinity")
        allowed = affinity.allowed_endpoints(services)
        within = None if only is None else set(affinity.allowed_endpoints(only))
        for key in affinity.stale_keys(listing, allowed, within):
            try:
                await self._nft.apply(f"delete element {self._table.name} affinity {{ {key} }}")
            except RefusedByKernel as error:
                log.debug("remembered client had left by itself key=%s error=%s", key, error)

    def _is_whole(self) -> bool:
        family, table = self._table.name.split()
        if self._kernel.rule_counts(family, table) != self._table.rule_counts():
            return False
        wanted = self._table.element_counts()
        counts = self._kernel.element_counts(family, table, ruleset.maps(self._settings).keys() - UNCOUNTED)
        return all(count == wanted[name] for name, count in counts.items())

    def _existing_chains(self) -> list[str]:
        mine = tuple(self._table.name.split())
        return [chain.name for chain in self._kernel.chains() if (chain.family, chain.table) == mine]


def _lost_endpoints(change: Change) -> bool:
    old = {endpoint for port in change.old for endpoint in (*port.everywhere, *port.here)}
    new = {endpoint for port in change.new for endpoint in (*port.everywhere, *port.here)}
    return bool(old - new)
