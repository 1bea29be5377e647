"""Answers cluster DNS on this node, from what the API says about services, endpoints and namespaces.

The answers live in this process: while the API server is away, names stay as they were last heard of; so they do when
the process is started anew meanwhile, by the file that it leaves.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.api.kinds import core_v1
from sampan.client.cache import key_of
from sampan.client.informers import Informers
from sampan.client.interface import Client
from sampan.network import httpserver
from sampan.network.dns import customization, interface, snapshot
from sampan.network.dns import metrics as counted
from sampan.network.dns.cache import AnswerCache
from sampan.network.dns.exchange import SocketExchange
from sampan.network.dns.forwarding import Exchange, Forwarder, nameservers
from sampan.network.dns.metrics import Measured
from sampan.network.dns.records import service_records
from sampan.network.dns.resolver import Resolver
from sampan.network.dns.responder import Responder
from sampan.network.dns.server import Listener
from sampan.network.dns.snapshot import Names
from sampan.network.dns.tally import PROGRAMMING_SECONDS, Durations
from sampan.network.dns.zone import Zone
from sampan.network.serviceindex import SERVICE_INDEX, endpoint_slices, on_nodes, services, services_of
from sampan.network.triggers import Triggers

log = logging.getLogger(__name__)

RESOLV_CONF = Path("/etc/resolv.conf")
REREAD_SECONDS = 10.0
WRITE_SECONDS = 30.0
"""Between two writings of what has changed: with 10,000 services 3 MB."""
HOSTS = "hosts"
"""The owner in the zone of the names an administrator has added; services' have a slash."""


class DnsServer:
    """`addresses` and `port`: where to answer; `interface_name`: made with those addresses, "" to use what is there;
    `networks`: pod and service ranges, whose addresses nobody outside is asked for; `upstreams`: servers for other
    names, None for those of `resolv_conf`, read again when it changes;
    `informers`: those of the process, started by their owner; None for own ones; `metrics`: where they are answered,
    None for nowhere; `memory`: file for names, for who is started while the API server is away; None for none."""

    def __init__(
        self,
        *,
        client: Client,
        clock: Clock,
        rng: random.Random,
        addresses: Sequence[str] = ("10.96.0.10",),
        port: int = 53,
        interface_name: str = interface.NAME,
        zone: str = "cluster.local",
        networks: Sequence[str] = (),
        ttl: int = 5,
        upstreams: Sequence[str] | None = None,
        resolv_conf: Path = RESOLV_CONF,
        exchange: Exchange | None = None,
        informers: Informers | None = None,
        metrics: httpserver.Place | None = None,
        memory: Path | None = None,
    ) -> None:
        self._clock = clock
        self._addresses = tuple(addresses)
        self._port = port
        self._interface = interface_name
        self._upstreams = upstreams
        self._resolv_conf = resolv_conf
        self._used: tuple[list[str], dict[bytes, list[str]]] | None = None
        self._customized = asyncio.Event()
        self.zone = Zone(
            zone, ttl=ttl, serial=int(clock.now()) & 0xFFFFFFFF, server_addresses=addresses, networks=networks
        )
        self._forwarder = Forwarder(exchange=exchange or SocketExchange(), clock=clock, rng=rng, cache=AnswerCache())
        self.responder = Responder(self.zone, lambda: self._synced)
        self._resolver = Resolver(self.zone, self._forwarder, ttl)
        self._own_informers = informers is None
        self._informers = informers or Informers(client, clock, rng)
        self._services = services(self._informers)
        self._slices = endpoint_slices(self._informers)
        self._namespaces = self._informers.of(core_v1.Namespace)
        self._custom = self._informers.of(
            core_v1.ConfigMap, namespace=customization.NAMESPACE, fields=f"metadata.name={customization.NAME}"
        )
        self._customization = customization.read(None)
        self._metrics = metrics
        self._memory = memory
        self._remembered: Names | None = None
        self._triggers = Triggers(clock.now())
        self._programming = Durations(PROGRAMMING_SECONDS)
        self._unreachable: frozenset[str] = frozenset()
        self._backoff = Backoff(base=0.5, cap=30.0, rng=rng, jitter=0.5)
        self._synced = False
        self._listening = asyncio.Event()
        self._listener: Listener | None = None
        self.bound_port = 0

    async def run(self) -> None:
        """Until cancelled. Raises when the address cannot be had (Busy, Unusable, OSError)."""
        async with TaskOwner("dns", clock=self._clock, backoff=self._backoff) as owner:
            try:
                self._remember()
                await self._open(owner)
                self._follow_api(owner)
                owner.start(self._follow_resolv_conf, name="resolvers", policy="restart")
                owner.start(self._answer_metrics, name="metrics")
                await owner.wait()
            finally:
                if self._listener is not None:
                    self._listener.close()

    async def listening(self) -> None:
        """Returns once queries are answered, if only with SERVFAIL for want of the API."""
        await self._listening.wait()

    async def remove(self) -> None:
        """Deletes the interface, for tear-down; to be called when `run` has ended."""
        if self._interface:
            await interface.remove(self._interface)

    def healthy(self) -> bool:
        """Whether the cluster's names are known and answered."""
        return self._synced and self._listening.is_set()

    def avoid(self, unreachable: frozenset[str]) -> None:
        """Nodes that do not answer, from now on: headless services lead there only where there are no others."""
        changed, self._unreachable = unreachable ^ self._unreachable, unreachable
        touched = {key for piece in self._slices.list() if on_nodes(piece, changed) for key in services_of(piece)}
        for key in touched:
            self._update_headless(key)

    def statistics(self) -> dict[str, Any]:
        return {
            "synced": self._synced,
            "zone": self.zone.statistics(),
            "fast": self.responder.fast,
            "read": self.responder.read,
            "malformed": self.responder.malformed,
            "sockets": self._listener.statistics() if self._listener else {},
            "upstream": self._forwarder.statistics(),
        }

    def measured(self) -> Measured:
        """What metrics are made of."""
        tallies = self._listener.tallies if self._listener is not None else {}
        return Measured(self.statistics(), tallies, self._forwarder.durations(), self._programming)

    async def _open(self, owner: TaskOwner) -> None:
        usable = self._addresses
        if self._interface:
            usable = tuple(await interface.ensure(self._addresses, self._interface))
        self._listener = Listener(responder=self.responder, resolver=self._resolver, clock=self._clock, owner=owner)
        for address in usable:
            self.bound_port = await self._listener.open(address, self._port)
        self._listening.set()
        log.info("answering names addresses=%s port=%d", ",".join(usable), self.bound_port)

    def _follow_api(self, owner: TaskOwner) -> None:
        self._services.add_handler(self._on_service)
        self._slices.add_handler(self._on_slice)
        self._namespaces.add_handler(self._on_namespace)
        self._custom.add_handler(self._on_custom)
        if self._own_informers:
            self._informers.start(owner)
        owner.start(self._wait_for_sync, name="sync", policy="log")
        owner.start(self._forget_hosts, name="hosts", policy="log")

    async def _wait_for_sync(self) -> None:
        for informer in (self._services, self._slices, self._namespaces):
            await informer.synced()
        self._forget()
        self._synced = True
        log.info("names complete %s", " ".join(f"{key}={value}" for key, value in self.zone.statistics().items()))
        await self._write_memory()

    async def _forget_hosts(self) -> None:
        """Those of a ConfigMap that is gone."""
        await self._custom.synced()
        self.zone.replace(HOSTS, self._customization.hosts)

    def _remember(self) -> None:
        """What was known when somebody here last knew; nothing that is known already."""
        if self._memory is None or self._synced:
            return
        self._remembered = snapshot.read(self._memory, self.zone.name)
        if self._remembered is not None:
            snapshot.put(self._remembered, self.zone)
            log.info("names of before are answered until the API is heard %s", self.zone.statistics())

    def _forget(self) -> None:
        if self._remembered is None:
            return
        namespaces = {each.metadata.name for each in self._namespaces.list()}
        snapshot.take_back(self._remembered, self.zone, namespaces=namespaces, services={HOSTS, *self._services.keys()})
        self._remembered = None

    async def _write_memory(self) -> None:
        """As long as names change, every so often; a disk that is full costs nothing but the memory."""
        written = None
        while self._memory is not None:
            if written != self.zone.changes:
                written = self.zone.changes
                try:
                    await asyncio.to_thread(snapshot.write, self._memory, snapshot.taken(self.zone))
                except OSError as error:
                    log.warning("names are not written down file=%s error=%s", self._memory, error)
            await self._clock.sleep(WRITE_SECONDS)

    def _on_service(self, old: Any, new: Any) -> None:
        self._update(key_of(new or old))

    def _on_slice(self, old: Any, new: Any) -> None:
        for key in {key for piece in (old, new) if piece is not None for key in services_of(piece)}:
            if self._update_headless(key):
                self._triggers.note(old, new)
        for moment in self._triggers.take():
            self._programming.note(max(self._clock.now() - moment, 0))

    def _on_namespace(self, old: Any, new: Any) -> None:
        if old is None:
            self.zone.add_namespace(new.metadata.name)
        elif new is None:
            self.zone.remove_namespace(old.metadata.name)

    def _update_headless(self, key: str) -> bool:
        """Whether it is one: endpoints are nothing to the names of others."""
        service = self._services.get(key)
        headless = service is not None and service.spec.clusterIP == "None"
        if headless:
            self._update(key)
        return headless

    def _update(self, key: str) -> None:
        service = self._services.get(key)
        slices = self._slices.index(SERVICE_INDEX, key)
        found = service_records(service, slices, self.zone.name, self._unreachable) if service else frozenset()
        self.zone.replace(key, found)

    def _on_custom(self, old: Any, new: Any) -> None:
        self._customization = customization.read(new)
        for problem in self._customization.problems:
            log.error("configmap %s/%s is wrong problem=%s", customization.NAMESPACE, customization.NAME, problem)
        self.zone.replace(HOSTS, self._customization.hosts)
        self._customized.set()

    async def _follow_resolv_conf(self) -> None:
        while True:
            self._customized.clear()
            await self._use_servers()
            try:
                await self._clock.wait_for(self._customized.wait(), REREAD_SECONDS)
            except TimeoutError:
                continue

    async def _use_servers(self) -> None:
        """Those to ask for other names: given, customized, or the machine's own."""
        stubs, upstreams = self._customization.stubs, self._customization.upstreams
        given = self._upstreams if upstreams is None else upstreams
        servers = nameservers(self._read_resolv_conf(), self._addresses) if given is None else list(given)
        if (servers, stubs) == self._used:
            return
        self._used = servers, stubs
        self._forwarder.use(servers, stubs)
        log.info("resolvers for other names servers=%s stub_domains=%d", ",".join(servers) or "none", len(stubs))
        await self._forwarder.find_loops()

    async def _answer_metrics(self) -> None:
        def answer(path: str) -> httpserver.Reply:
            return counted.answer(self.measured(), self.healthy(), path)

        await httpserver.serve(self._metrics, answer, self._clock)

    def _read_resolv_conf(self) -> str:
        try:
            return self._resolv_conf.read_text(errors="replace")
        except OSError as error:
            log.warning("cannot read the resolvers path=%s error=%s", self._resolv_conf, error)
            return ""
