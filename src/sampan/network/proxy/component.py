"""Keeps this node's service rules equal to what the API says.

Two informers mark services as changed; one loop recomputes those, compares with what was applied and hands the
differences to the backend, all that came up meanwhile in one transaction. At the start, after a refused change and when
somebody has touched our rules, everything is written anew instead. The rules live in the kernel: traffic flows on while
this process is away.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Any

from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.api.kinds import core_v1, discovery_v1
from sampan.client.cache import key_of
from sampan.client.informers import Informers
from sampan.client.interface import Client
from sampan.network.errors import RefusedByKernel, Unusable
from sampan.network.proxy.backend import Backend, Change, Ports
from sampan.network.proxy.model import Viewpoint, service_ports
from sampan.network.proxy.nftables.backend import NftablesBackend
from sampan.network.proxy.nftables.ruleset import Settings
from sampan.network.serviceindex import SERVICE_INDEX, services_of

log = logging.getLogger(__name__)

COALESCE_SECONDS = 0.01
"""Least time between two transactions; changes that come faster share one."""
CHECK_SECONDS = 5.0
"""How often it is asked whether somebody else touched our rules: one netlink message."""


class ServiceProxy:
    """`cluster_cidr`: pod addresses (clients outside it are masqueraded); `service_cidr`: service addresses;
    `local_addresses`: service addresses that this node answers itself (the cluster DNS), left alone;
    `zone`: this node's, for topology hints; `backend`: nftables when None; `informers`: those of the
    process, started by their owner; None for own ones."""

    def __init__(
        self,
        *,
        client: Client,
        clock: Clock,
        rng: random.Random,
        node_name: str,
        cluster_cidr: str = "",
        service_cidr: str = "",
        local_addresses: frozenset[str] | set[str] = frozenset(),
        zone: str = "",
        backend: Backend | None = None,
        informers: Informers | None = None,
    ) -> None:
        self._clock = clock
        self._view = Viewpoint(node_name, zone, "IPv4", frozenset(local_addresses))
        self._backend = backend or NftablesBackend(
            Settings(cluster_cidr=cluster_cidr, service_cidr=service_cidr, skip=tuple(sorted(local_addresses)))
        )
        self._own_informers = informers is None
        self._informers = informers or Informers(client, clock, rng)
        self._services = self._informers.of(core_v1.Service)
        self._slices = self._informers.of(discovery_v1.EndpointSlice, {SERVICE_INDEX: services_of})
        self._backoff = Backoff(base=0.5, cap=30.0, rng=rng, jitter=0.5)
        self._applied: dict[str, Ports] = {}
        self._pending: set[str] = set()
        self._wake = asyncio.Event()
        self._rewrite = True
        self._problem = "not yet synchronized"
        self._counts = {"replacements": 0, "updates": 0, "changes": 0, "failures": 0, "repairs": 0}
        self._last_seconds = 0.0

    async def run(self) -> None:
        """Until cancelled; leaves the rules in place. Failures are logged and retried."""
        self._services.add_handler(self._on_service)
        self._slices.add_handler(self._on_slice)
        async with TaskOwner("service-proxy") as owner:
            if self._own_informers:
                self._informers.start(owner)
            await self._services.synced()
            await self._slices.synced()
            owner.start(self._apply_forever, name="apply")
            owner.start(self._check_forever, name="check")
            try:
                await owner.wait()
            finally:
                self._backend.close()

    async def remove(self) -> None:
        """Deletes all rules of ours, for tear-down; to be called when `run` has ended."""
        await self._backend.remove()

    def healthy(self) -> bool:
        """Whether the rules in the kernel are what the API asked for a moment ago."""
        return not self._problem

    def statistics(self) -> dict[str, Any]:
        return {
            "services": len(self._applied),
            "pending": len(self._pending),
            "problem": self._problem,
            "lastApplySeconds": round(self._last_seconds, 6),
            **self._counts,
            "backend": self._backend.statistics(),
        }

    def _on_service(self, old: Any, new: Any) -> None:
        self._mark(key_of(new or old))

    def _on_slice(self, old: Any, new: Any) -> None:
        for piece in (old, new):
            for key in services_of(piece) if piece is not None else ():
                self._mark(key)

    def _mark(self, key: str) -> None:
        self._pending.add(key)
        self._wake.set()

    async def _apply_forever(self) -> None:
        failures = 0
        while True:
            await self._wake_up()
            started = self._clock.monotonic()
            try:
                await self._apply()
            except (RefusedByKernel, Unusable, OSError) as error:
                failures += 1
                self._failed(error)
                await self._clock.sleep(self._backoff.delay(failures))
                continue
            failures, self._problem = 0, ""
            self._last_seconds = self._clock.monotonic() - started
            await self._clock.sleep(COALESCE_SECONDS)

    async def _wake_up(self) -> None:
        if not self._rewrite:
            await self._wake.wait()
        self._wake.clear()

    def _failed(self, error: Exception) -> None:
        self._counts["failures"] += 1
        self._rewrite, self._problem = True, str(error)
        log.error("service rules not applied error=%s", error)

    async def _apply(self) -> None:
        pending, self._pending = self._pending, set()
        if self._rewrite:
            await self._replace()
            return
        changes = [Change(key, self._applied.get(key, ()), self._ports(key)) for key in sorted(pending)]
        changes = [change for change in changes if change.old != change.new]
        if changes:
            await self._backend.update(changes)
            self._counts["updates"] += 1
            self._counts["changes"] += len(changes)
        for change in changes:
            if change.new:
                self._applied[change.service] = change.new
            else:
                self._applied.pop(change.service, None)

    async def _replace(self) -> None:
        wanted = {key: ports for key in sorted(self._services.keys()) if (ports := self._ports(key))}
        await self._backend.replace(wanted)
        self._applied, self._rewrite = wanted, False
        self._counts["replacements"] += 1
        log.info("service rules written services=%d", len(wanted))

    def _ports(self, key: str) -> Ports:
        service = self._services.get(key)
        if service is None:
            return ()
        return service_ports(service, self._slices.index(SERVICE_INDEX, key), self._view)

    async def _check_forever(self) -> None:
        while True:
            await self._clock.sleep(CHECK_SECONDS)
            if not self._rewrite and not self._pending and await self._damaged():
                log.warning("service rules were changed by somebody else, writing them anew")
                self._counts["repairs"] += 1
                self._rewrite, self._problem = True, "rules changed by somebody else"
                self._wake.set()

    async def _damaged(self) -> bool:
        try:
            return await self._backend.damaged()
        except (Unusable, OSError) as error:
            log.warning("cannot check the service rules error=%s", error)
            return False
