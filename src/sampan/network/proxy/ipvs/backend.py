"""Tells IPVS, the interface and the table what `plan` says."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from sampan.network import nft, sysctl
from sampan.network.command import Missing, run
from sampan.network.errors import RefusedByKernel, Unusable
from sampan.network.netfilter import RuleSet
from sampan.network.proxy import flows, machine
from sampan.network.proxy.backend import Change, Ports
from sampan.network.proxy.conntrack import FlowCleaner
from sampan.network.proxy.ipvs.netlink import Ipvs
from sampan.network.proxy.ipvs.plan import TABLE, State, Steps
from sampan.network.proxy.settings import Settings, of_family

log = logging.getLogger(__name__)

INTERFACE = "kube-ipvs0"
SYSCTLS = {
    "net.ipv4.vs.conntrack": "1",
    "net.ipv4.vs.expire_nodest_conn": "1",
    "net.ipv4.vs.expire_quiescent_template": "1",
    "net.ipv4.vs.conn_reuse_mode": "0",
}
SCHEDULER = "rr"


class IpvsBackend:
    """`proxy.backend.Backend` by IPVS, in the network namespace of this process."""

    def __init__(self, settings: Settings, *, ipvs: Ipvs | None = None, scheduler: str = SCHEDULER) -> None:
        self._settings = settings
        self._ipvs = ipvs or Ipvs()
        self._state = State(settings, INTERFACE, scheduler)
        self._nft = nft.Session()
        self._kernel = RuleSet()
        self._cleaner = FlowCleaner()
        self._generation = -1

    async def replace(self, services: Mapping[str, Ports]) -> None:
        self._ipvs.flush()
        for name, value in SYSCTLS.items():
            if sysctl.read(name) is not None:
                sysctl.ensure(name, value)
        await self._ensure_interface()
        nodes = [one for one, device in await self._addresses() if device not in (INTERFACE, "lo")]
        bound = [one for one, device in await self._addresses() if device == INTERFACE]
        await self._carry_out(self._state.replace(services, nodes, bound))
        await machine.prepare(self._settings)
        self._generation = self._kernel.generation()
        await self._cleaner.clean(flows.udp_frontends(services.values()))

    async def update(self, changes: Sequence[Change]) -> None:
        untouched = self._kernel.generation() == self._generation
        await self._carry_out(self._state.update(changes))
        if untouched:
            self._generation = self._kernel.generation()
        await self._cleaner.clean(flows.changed_frontends(changes))

    async def damaged(self) -> bool:
        if self._ipvs.count() != self._state.servers():
            return True
        generation = self._kernel.generation()
        if generation != self._generation:
            family = self._settings.family.table
            if not any((chain.family, chain.table) == (family, TABLE) for chain in self._kernel.chains()):
                return True
            self._generation = generation
        return False

    async def remove(self) -> None:
        if shutil.which("ip") and (await run(("ip", "link", "show", INTERFACE))).code == 0:
            try:
                self._ipvs.flush()
            except (Unusable, OSError) as error:
                log.info("no virtual servers to take away error=%s", error)
            await run(("ip", "link", "delete", INTERFACE))
            name = f"{self._settings.family.table} {TABLE}"
            await self._nft.apply(f"add table {name}\ndelete table {name}\n")
        self.close()

    def close(self) -> None:
        self._ipvs.close()
        self._nft.close()
        self._kernel.close()

    def statistics(self) -> dict[str, Any]:
        return {"virtualServers": self._state.servers(), **self._cleaner.statistics()}

    async def _carry_out(self, steps: Steps) -> None:
        """Addresses first, for IPVS takes only what comes in."""
        if steps.addresses:
            done = await run(("ip", "-force", "-batch", "-"), steps.addresses)
            if done.code and "File exists" not in done.errors:
                raise RefusedByKernel(done.complaint)
        if steps.rules:
            await self._nft.apply(steps.rules)
        self._ipvs.send(steps.requests)

    async def _ensure_interface(self) -> None:
        try:
            if (await run(("ip", "link", "show", INTERFACE))).code == 0:
                return
            made = await run(("ip", "link", "add", INTERFACE, "type", "dummy"))
        except Missing as error:
            raise Unusable(str(error)) from None
        if made.code:
            raise Unusable(f"cannot make the interface {INTERFACE} ({made.complaint}): modprobe dummy, or use nftables")

    async def _addresses(self) -> list[tuple[str, str]]:
        """(address, device) of every address of the machine in this family."""
        listing = await run(("ip", "-o", "addr", "show"))
        found = [(line.split()[3].partition("/")[0], line.split()[1]) for line in listing.output.splitlines()]
        own = of_family(self._settings.family, [address for address, _ in found])
        return [(address, device) for address, device in found if address in own]
