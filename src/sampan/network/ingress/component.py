"""Follows the API and keeps haproxy's files equal to what it says; fills the Ingresses' status with our address."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.api import errors
from sampan.api.kinds import core_v1, meta_v1, networking_v1
from sampan.client.cache import key_of
from sampan.client.errors import ClientError
from sampan.client.events import EventRecorder
from sampan.client.informers import Informers
from sampan.client.interface import Client
from sampan.network.errors import Unusable
from sampan.network.ingress import routing, runtime
from sampan.network.ingress.haproxy import Place, render
from sampan.network.ingress.process import Refused
from sampan.network.ingress.routing import Routing
from sampan.network.ingress.runtime import Steps
from sampan.network.serviceindex import SERVICE_INDEX, endpoint_slices, services

log = logging.getLogger(__name__)

COALESCE_SECONDS = 0.1
"""Least time between two configurations: each costs haproxy a process."""
LOOK_SECONDS = 1.0
CLASS = "sampan"
TLS = "type=kubernetes.io/tls"


class Server(Protocol):
    """What serves the files: `process.Haproxy`."""

    async def use(self, files: Mapping[str, bytes]) -> bool: ...

    async def change(self, files: Mapping[str, bytes], steps: Steps) -> bool: ...

    def running(self) -> int | None: ...


class IngressController:
    """`address`: this node's, for the Ingresses' status; `certificate`: what is shown to who names no host of ours."""

    def __init__(
        self,
        *,
        client: Client,
        clock: Clock,
        rng: random.Random,
        server: Server,
        place: Place,
        address: str,
        certificate: bytes,
        informers: Informers | None = None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._server = server
        self._place = place
        self._address = address
        self._certificate = certificate
        self._own_informers = informers is None
        self._informers = informers or Informers(client, clock, rng)
        self._services = services(self._informers)
        self._slices = endpoint_slices(self._informers)
        self._ingresses = self._informers.of(networking_v1.Ingress)
        self._classes = self._informers.of(networking_v1.IngressClass)
        self._secrets = self._informers.of(core_v1.Secret, fields=TLS)
        self._backoff = Backoff(base=0.5, cap=30.0, rng=rng, jitter=0.5)
        self._events = EventRecorder(client, "sampan-ingress", "", clock, rng)
        self._unreachable: frozenset[str] = frozenset()
        self._served: Routing | None = None
        """What the server has; None when that is not known."""
        self._told: set[tuple[str, str]] = set()
        self._unusable: set[tuple[str, bytes]] = set()
        self._wake = asyncio.Event()
        self._problem = "not yet synchronized"
        self._counts = {"configurations": 0, "changes": 0, "refused": 0, "statuses": 0}

    async def run(self) -> None:
        """Until cancelled; haproxy goes on with what it has."""
        followed = (self._services, self._slices, self._ingresses, self._classes, self._secrets)
        for informer in followed:
            informer.add_handler(self._changed)
        async with TaskOwner("ingress") as owner:
            if self._own_informers:
                self._informers.start(owner)
            for informer in followed:
                await informer.synced()
            await self._ensure_class()
            owner.start(self._apply_forever, name="apply")
            owner.start(self._look_forever, name="look")
            try:
                await owner.wait()
            finally:
                await self._events.close()

    def healthy(self) -> bool:
        return not self._problem

    def avoid(self, unreachable: frozenset[str]) -> None:
        """Nodes that do not answer, from now on."""
        self._unreachable = unreachable
        self._wake.set()

    def statistics(self) -> dict[str, Any]:
        return {"problem": self._problem, **self._counts}

    def _changed(self, old: Any, new: Any) -> None:
        self._wake.set()

    async def _ensure_class(self) -> None:
        """Our class, the default one where there is no other."""
        if any(one.spec is not None and one.spec.controller == routing.CONTROLLER for one in self._classes.list()):
            return
        annotations = {} if self._classes.list() else {routing.DEFAULT_CLASS: "true"}
        try:
            await self._client.create(
                networking_v1.IngressClass(
                    apiVersion="networking.k8s.io/v1",
                    kind="IngressClass",
                    metadata=meta_v1.ObjectMeta(name=CLASS, annotations=annotations),
                    spec=networking_v1.IngressClassSpec(controller=routing.CONTROLLER),
                )
            )
        except errors.AlreadyExists:
            return

    async def _look_forever(self) -> None:
        """A server that died is started anew."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            if not self._problem and not self._server.running():
                log.warning("haproxy has ended, starting it anew")
                self._wake.set()

    async def _apply_forever(self) -> None:
        failures = 0
        while True:
            self._wake.clear()
            try:
                await self._apply()
            except (Refused, Unusable, OSError, errors.ApiError, ClientError) as error:
                failures += 1
                self._counts["refused"] += isinstance(error, Refused)
                self._problem = str(error)
                log.error("ingress not applied error=%s", error)
                await self._clock.sleep(self._backoff.delay(failures))
                continue
            failures, self._problem = 0, ""
            await self._clock.sleep(COALESCE_SECONDS)
            await self._wake.wait()

    async def _apply(self) -> None:
        classes = self._classes.list()
        mine = [one for one in self._ingresses.list() if routing.ours(one, classes)]
        sources = routing.Sources(self._services.get, self._endpoint_slices, self._secrets.get, self._unreachable)
        found = routing.routing(mine, sources)
        await self._use(found)
        self._tell_problems(found)
        for ingress in mine:
            await self._tell(ingress)

    async def _use(self, found: Routing) -> None:
        """Without the certificates that haproxy has refused: they must not keep the rest from everybody."""
        while True:
            usable = tuple(one for one in found.certificates if (one.name, one.pem) not in self._unusable)
            try:
                await self._serve(replace(found, certificates=usable))
                return
            except Refused as error:
                refused = {(one.name, one.pem) for one in usable if f"/{one.name}.pem'" in str(error)}
                if not refused:
                    raise
                log.warning("certificates left out names=%s error=%s", sorted(name for name, _ in refused), error)
                self._unusable |= refused

    async def _serve(self, wanted: Routing) -> None:
        """By word to the running server where that will do, else by new files."""
        former, self._served = self._served, None
        files = render(wanted, self._place, self._certificate)
        steps = runtime.steps(former, wanted, self._place) if former is not None else None
        if steps is not None and await self._server.change(files, steps):
            self._counts["changes"] += bool(steps.commands)
        else:
            self._counts["configurations"] += await self._server.use(files)
        self._served = wanted

    def _tell_problems(self, found: Routing) -> None:
        """By an Event each, once."""
        told = {(each.ingress.metadata.uid or key_of(each.ingress), each.message) for each in found.problems}
        for each in found.problems:
            if (each.ingress.metadata.uid or key_of(each.ingress), each.message) not in self._told:
                self._events.event(each.ingress, "Warning", each.reason, each.message)
        self._told = told

    def _endpoint_slices(self, key: str) -> Any:
        return self._slices.index(SERVICE_INDEX, key)

    async def _tell(self, ingress: Any) -> None:
        """Our address in the Ingress's status."""
        balancer = ingress.status.loadBalancer if ingress.status is not None else None
        told = [one.ip for one in (balancer.ingress if balancer is not None else None) or ()]
        if told == [self._address]:
            return
        status = {"status": {"loadBalancer": {"ingress": [{"ip": self._address}]}}}
        namespace, _, name = key_of(ingress).partition("/")
        try:
            await self._client.patch(networking_v1.Ingress, name, namespace, status, subresource="status")
        except errors.NotFound:
            return
        self._counts["statuses"] += 1
