"""Keeps this node's service rules equal to what the API says.

Informers mark services as changed; one loop recomputes those, compares with what was applied and hands the differences
to the backend of each address family, all that came up meanwhile in one transaction. At the start, after a refused
change and when somebody has touched our rules, everything is written anew instead. The rules live in the kernel:
traffic flows on while this process is away.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.client.cache import key_of
from sampan.client.informers import Informers
from sampan.client.interface import Client
from sampan.network.errors import RefusedByKernel, Unusable
from sampan.network.proxy.backend import Backend, Ports, Removable
from sampan.network.proxy.healthchecks import HealthCheck, health_check
from sampan.network.proxy.healthserver import HealthChecks, Server
from sampan.network.proxy.metrics import Metrics
from sampan.network.proxy.model import Viewpoint, service_ports
from sampan.network.proxy.nodeview import NodeView
from sampan.network.proxy.rules import FamilyRules
from sampan.network.proxy.settings import FAMILIES, of_family
from sampan.network.serviceindex import SERVICE_INDEX, endpoint_slices, services, services_of
from sampan.network.triggers import Triggers

log = logging.getLogger(__name__)

COALESCE_SECONDS = 0.01
"""Least time between two transactions; changes that come faster share one."""
CHECK_SECONDS = 5.0
"""How often it is asked whether somebody else touched our rules: one netlink message."""
FULL_SECONDS = 3600.0
"""How often everything is written anew though nobody seems to have touched it, as upstream does: a rule that was
exchanged for another is missed by counting."""
PATIENCE_SECONDS = 60.0
"""How long a change may wait before load balancers are told, as with kube-proxy."""


class ServiceProxy:
    """`backends`: one for each address family that is served; `former`: backends of other modes, whose rules are taken
    away once ours are in place; `local_addresses`: service addresses that this node answers itself (the cluster DNS),
    left alone; `zone`: this node's, until its Node tells; `informers`: those of the process, started by their owner;
    None for own ones; `server`: where health checks of services are answered, None for nowhere; `forget`: deletes the
    kernel's memory of connections that were sent to these addresses and not answered yet, None where there is none;
    `mode`: by what name users know the backends, for the metrics."""

    def __init__(
        self,
        *,
        client: Client,
        clock: Clock,
        rng: random.Random,
        node_name: str,
        backends: Mapping[str, Backend],
        former: Sequence[Removable] = (),
        local_addresses: frozenset[str] | set[str] = frozenset(),
        zone: str = "",
        informers: Informers | None = None,
        server: Server | None = None,
        forget: Callable[[set[str]], Awaitable[None]] | None = None,
        mode: str = "",
    ) -> None:
        self._clock = clock
        self._families = [
            FamilyRules(
                Viewpoint(node_name, zone, FAMILIES[name].name, frozenset(of_family(FAMILIES[name], local_addresses))),
                backend,
                clock,
            )
            for name, backend in backends.items()
        ]
        self._former = list(former)
        self._own_informers = informers is None
        self._informers = informers or Informers(client, clock, rng)
        self._services = services(self._informers)
        self._slices = endpoint_slices(self._informers)
        self._node = NodeView(self._informers, node_name, self._zone_changed, zone=zone)
        self._backoff = Backoff(base=0.5, cap=30.0, rng=rng, jitter=0.5)
        self._unreachable: frozenset[str] = frozenset()
        self._forget = forget
        self._to_forget: set[str] = set()
        self._pending: set[str] = set()
        self._pending_since: float | None = None
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._rewrite = True
        self._problem = "not yet synchronized"
        self._counts = {"replacements": 0, "updates": 0, "changes": 0, "failures": 0, "repairs": 0}
        self._last_seconds = 0.0
        self.last_applied = 0.0
        """When rules were last applied, in seconds since the epoch."""
        self._triggers = Triggers(clock.now())
        self._checks = HealthChecks(server, self.keeps_up) if server is not None else None
        self.metrics = Metrics(mode)
        for rules in self._families:
            self.metrics.follow(rules.view.family, rules.without_local_endpoints, rules.counted)

    async def run(self) -> None:
        """Until cancelled; leaves the rules in place. Failures are logged and retried."""
        self._services.add_handler(self._on_service)
        self._slices.add_handler(self._on_slice)
        self._node.follow()
        async with TaskOwner("service-proxy") as owner:
            if self._own_informers:
                self._informers.start(owner)
            for informer in (self._services, self._slices, self._node.informer):
                await informer.synced()
            owner.start(self._apply_forever, name="apply")
            owner.start(self._check_forever, name="check")
            try:
                await owner.wait()
            finally:
                for family in self._families:
                    family.backend.close()
                if self._checks is not None:
                    await self._checks.close()

    async def remove(self) -> None:
        """Deletes all rules of ours, for tear-down; to be called when `run` has ended."""
        for family in self._families:
            await family.backend.remove()

    def healthy(self) -> bool:
        """Whether the rules in the kernel are what the API asked for a moment ago."""
        return not self._problem

    def keeps_up(self) -> bool:
        """Whether no change has waited for long: what load balancers are told, who need not hear of every hitch."""
        since = self._pending_since
        return since is None or self._clock.monotonic() - since < PATIENCE_SECONDS

    @property
    def eligible(self) -> bool:
        """Whether load balancers may count on this node."""
        return self._node.eligible

    def avoid(self, unreachable: frozenset[str]) -> None:
        """Nodes that do not answer, from now on: endpoints there are used only where there are no others."""
        changed, self._unreachable = unreachable ^ self._unreachable, unreachable
        for family in self._families:
            family.view = replace(family.view, unreachable=unreachable)
        for piece in self._slices.list():
            there = [each for each in piece.endpoints or () if each.nodeName in changed]
            for key in services_of(piece) if there else ():
                self._mark(key)
            self._to_forget.update(a for each in there if each.nodeName in unreachable for a in each.addresses or ())

    def statistics(self) -> dict[str, Any]:
        first, *others = self._families
        return {
            "pending": len(self._pending),
            "problem": self._problem,
            "unreachableNodes": sorted(self._unreachable),
            "lastApplySeconds": round(self._last_seconds, 6),
            **self._counts,
            **first.statistics(),
            **{family.view.family: family.statistics() for family in others},
        }

    def _on_service(self, old: Any, new: Any) -> None:
        self.metrics.changed("service")
        self._mark(key_of(new or old))

    def _on_slice(self, old: Any, new: Any) -> None:
        self.metrics.changed("endpoint")
        self._triggers.note(old, new)
        for piece in (old, new):
            for key in services_of(piece) if piece is not None else ():
                self._mark(key)

    def _zone_changed(self) -> None:
        for family in self._families:
            family.view = replace(family.view, zone=self._node.zone)
        for key in set(self._services.keys()):
            self._mark(key)

    def _mark(self, key: str) -> None:
        self._pending.add(key)
        if self._pending_since is None:
            self._pending_since = self._clock.monotonic()
            for family in self._families:
                self.metrics.queued(family.view.family, self._clock.now(), len(self._pending))
        self._wake.set()

    async def _apply_forever(self) -> None:
        failures = 0
        while True:
            await self._wake_up()
            started = self._clock.monotonic()
            try:
                async with self._turn:
                    await self._apply()
            except (RefusedByKernel, Unusable, OSError) as error:
                failures += 1
                self._failed(error)
                await self._clock.sleep(self._backoff.delay(failures))
                continue
            failures, self._problem = 0, ""
            self._last_seconds, self.last_applied = self._clock.monotonic() - started, self._clock.now()
            await self._clock.sleep(COALESCE_SECONDS)

    async def _wake_up(self) -> None:
        if not self._rewrite:
            await self._wake.wait()
        self._wake.clear()

    def _failed(self, error: Exception) -> None:
        self._counts["failures"] += 1
        partial, self._rewrite, self._problem = not self._rewrite, True, str(error)
        for family in self._families:
            self.metrics.failed(family.view.family, partial=partial)
        log.error("service rules not applied error=%s", error)

    async def _apply(self) -> None:
        pending, self._pending = self._pending, set()
        since, self._pending_since = self._pending_since, None
        forgotten, self._to_forget = self._to_forget, set()
        triggers, full = self._triggers.take(), self._rewrite
        try:
            changed = [await self._apply_family(family, pending, full, triggers) for family in self._families]
        except BaseException:
            self._pending_since = self._clock.monotonic() if since is None else since
            self._to_forget |= forgotten
            raise
        self._counts["updates"] += not full and any(changed)
        self._counts["changes"] += 0 if full else sum(changed)
        if full:
            await self._written()
        await self._answer_checks(self._services.keys() if full else pending, full)
        if self._forget is not None and forgotten:
            await self._forget(forgotten)

    async def _apply_family(self, family: FamilyRules, pending: set[str], full: bool, triggers: list[float]) -> int:
        """How many services' rules have changed in one family."""
        started, changed = self._clock.monotonic(), 0
        if full:
            await family.replace(self._services.keys(), self._ports)
        else:
            changed = await family.update(pending, self._ports)
        if full or changed:
            name, now = family.view.family, self._clock.now()
            seconds = self._clock.monotonic() - started
            self.metrics.applied(name, full=full, seconds=seconds, now=now)
            self.metrics.forgotten(name, family.counted())
            for trigger in triggers:
                self.metrics.programmed(name, now - trigger)
        return changed

    async def _written(self) -> None:
        self._rewrite = False
        self._counts["replacements"] += 1
        log.info("service rules written services=%d", len(self._families[0].applied))
        while self._former:
            part = self._former.pop()
            try:
                await part.remove()
            except (RefusedByKernel, Unusable, OSError) as error:
                log.warning("what another mode may have left stays part=%s error=%s", type(part).__name__, error)

    async def _answer_checks(self, keys: Any, full: bool) -> None:
        if self._checks is None:
            return
        found = {key: self._check(key) for key in keys}
        await self._checks.update(found, full=full)

    def _check(self, key: str) -> HealthCheck | None:
        service = self._services.get(key)
        slices = self._slices.index(SERVICE_INDEX, key)
        return health_check(service, slices, self._families[0].view.node_name) if service is not None else None

    def _ports(self, key: str, view: Viewpoint) -> Ports:
        service = self._services.get(key)
        if service is None:
            return ()
        return service_ports(service, self._slices.index(SERVICE_INDEX, key), view)

    async def _check_forever(self) -> None:
        written = self._clock.monotonic()
        while True:
            await self._clock.sleep(CHECK_SECONDS)
            if self._clock.monotonic() - written >= FULL_SECONDS:
                written, self._rewrite = self._clock.monotonic(), True
                self._wake.set()
            async with self._turn:
                damaged = not self._rewrite and not self._pending and await self._damaged()
            if damaged:
                log.warning("the kernel lacks some service rules, or the node has other addresses: writing them anew")
                self._counts["repairs"] += 1
                self._rewrite, self._problem = True, "rules are to be written anew"
                self._wake.set()

    async def _damaged(self) -> bool:
        try:
            return any([await family.backend.damaged() for family in self._families])
        except (Unusable, OSError) as error:
            log.warning("cannot check the service rules error=%s", error)
            return False
