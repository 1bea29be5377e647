"""The API server: a store, a watch cache over it, and the stages that lead a request to them."""

from __future__ import annotations

import asyncio
import logging
import random
import sys
from collections.abc import Awaitable, Iterator
from functools import partial
from types import CoroutineType
from typing import Any

from sampan.aio import heap
from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.api.errors import ApiError
from sampan.api.registry import Kind, Registry, builtin
from sampan.apiserver import selection, stages, version
from sampan.apiserver.admission import chain
from sampan.apiserver.admission.namespacelifecycle import is_ending
from sampan.apiserver.allocation.repair import Repair
from sampan.apiserver.allocation.services import Allocators
from sampan.apiserver.answers import error_answer
from sampan.apiserver.audit import auditor
from sampan.apiserver.auth.authentication import Authentication
from sampan.apiserver.auth.authenticator import Authenticator
from sampan.apiserver.auth.authorization import Authorization
from sampan.apiserver.auth.impersonation import Impersonation
from sampan.apiserver.auth.keys import Keys
from sampan.apiserver.auth.user import User
from sampan.apiserver.bootstrap.objects import Bootstrap
from sampan.apiserver.config import Config
from sampan.apiserver.documents import Documents
from sampan.apiserver.freshness import Freshness
from sampan.apiserver.health import Health
from sampan.apiserver.heavy import AT_ONCE, HEAVY_BYTES, SWITCH_SECONDS, in_turn
from sampan.apiserver.http import tls
from sampan.apiserver.http.exchange import Answer, Exchange, Response
from sampan.apiserver.http.listener import Listener
from sampan.apiserver.kubelets import Kubelets
from sampan.apiserver.measured import MeasuredStore
from sampan.apiserver.metrics import Metrics, in_flight_kind
from sampan.apiserver.proxying.backends import Backends
from sampan.apiserver.request import Request
from sampan.apiserver.requestlog import RequestLog, identity
from sampan.apiserver.routes import Routes
from sampan.apiserver.storefailure import as_api_error
from sampan.apiserver.timetable import Timetable
from sampan.store.cache import Entry, ResourceCache, WatchCache
from sampan.store.errors import StoreError
from sampan.store.interface import Store

log = logging.getLogger(__name__)
Judging = asyncio.Task[Exception | None]
"""A request's way to its body, where somebody else has to be asked."""


class ApiServer:
    """Serves the kinds of its registry from `store`, which it starts and closes.

    Use it over the network (`start`, `close`) or in the same process (`start(listen=False)`, then `handle`).
    """

    def __init__(
        self, config: Config, store: Store, clock: Clock, rng: random.Random, registry: Registry | None = None
    ) -> None:
        self.config = config
        self.metrics = Metrics(self)
        self.store = MeasuredStore(store, clock, self.metrics.stored)
        self.clock = clock
        self.rng = rng
        self.registry = registry or builtin()
        self.cache = WatchCache(self.store)
        self.local = store.local
        self.freshness = Freshness(self.cache, clock)
        self.routes = Routes(self.registry)
        self.request_log = RequestLog(config.verbosity)
        self.health = Health(self)
        self.documents = Documents(self)
        self.bootstrap = Bootstrap(self)
        self.allocators = Allocators(self)
        self.allocation_repair = Repair(self)
        self.kubelets = Kubelets(self)
        self.backends = Backends(self)
        self.auditor = auditor.configured(config.audit, clock, rng)
        self.admission = chain.build(
            self, config.enable_plugins, config.disable_plugins, config.admission_configuration
        )
        self.authentication = Authentication(config, clock, rng, self._find)
        self.authenticator: Authenticator = self.authentication
        self.authorization = Authorization(config.authorization_modes, clock, rng, config.authorization)
        self.authorizer = self.authorization.authorizer
        self.impersonation = Impersonation()
        self.rbac = self.authorization.rbac
        self.tasks = TaskOwner("apiserver")
        self.timetable = Timetable(clock)
        self.heavy_turns = asyncio.Semaphore(AT_ONCE)
        self.started = self.stopping = False
        self._began = clock.monotonic()
        self._resources: dict[Kind, ResourceCache] = {}
        self._decoded: dict[Entry, Any] = {}
        self._ending: dict[Entry, bool] = {}
        self._listener: Listener | None = None
        self.namespaces = self._configured("", "namespaces")

    # life

    async def start(self, *, listen: bool = True) -> int:
        """Open the store, fill the cache, make what every cluster has, and serve. Gives the port (0 when not
        listening).

        Raises OSError for an address in use and StoreError for a store that cannot be opened.
        """
        port = 0
        await self.store.start()
        for group, plural in selection.FIELDS:
            self._configured(group, plural)
        await self.cache.start()
        if self.auditor is not None:
            self.auditor.start()
        self.authentication.start(self.tasks)
        self.authorization.follow(self)
        self.tasks.start(self.timetable.run, name="timetable")
        await self.bootstrap.begin()
        self.tasks.start(self.bootstrap.flow_control.run, name="flow-control", policy="log")
        if listen:
            config = self.config
            heap.keep_freed()
            sys.setswitchinterval(SWITCH_SECONDS)
            self._listener = Listener(
                self.handle,
                clock=self.clock,
                body_limit=config.body_limit,
                preview=self.preview,
                identity=lambda headers: identity(headers, self.rng),
            )
            port = await self._listener.start(
                (config.bind_address, *config.more_addresses), config.port, tls.server_context(config)
            )
        await self.bootstrap.run(port)
        self.tasks.start(self.bootstrap.endpoints.run, name="endpoints", policy="log")
        self.tasks.start(self.bootstrap.delegation.run, name="delegation", policy="log")
        self.tasks.start(self.allocation_repair.run, name="allocation-repair", policy="log")
        self.started = True
        if listen:
            heap.settle()
        log.info("serving port=%d revision=%d", port, self.cache.revision)
        return port

    @property
    def listening(self) -> bool:
        """Whether requests come over sockets, from clients that wait beside each other."""
        return self._listener is not None

    async def stop(self) -> None:
        """Stop so that no client is failed: `/readyz` says no and the endpoint goes first; the server still answers,
        asking each client to connect elsewhere, for as long as its balancers need to notice; then requests end, and
        watches as if their time were up.
        """
        self.stopping = True
        log.info("stopping delay=%g", self.config.shutdown_delay_seconds)
        await self.bootstrap.endpoints.end()
        if self._listener is not None:
            self._listener.drain()
            await self.clock.sleep(self.config.shutdown_delay_seconds)
            await self._listener.close(grace_seconds=self.config.shutdown_grace_seconds)
        await self.close()

    async def close(self) -> None:
        """Stop accepting, end what runs, close the store."""
        self.stopping = True
        if self._listener is not None:
            await self._listener.close()
        await self.tasks.close()
        await self.cache.close()
        await self.tasks.close()  # followers whose watches have just ended
        await self.kubelets.close()
        await self.backends.close()
        await self.admission.close()
        await self.authentication.close()
        await self.authorization.close()
        await self.store.close()
        if self.auditor is not None:
            await self.auditor.close()

    # requests

    def handle(self, exchange: Exchange) -> Answer | Awaitable[Answer]:
        """Answer one request: at once when nothing has to be waited for."""
        if exchange.begun is not None:
            # Taken out of it, for what was begun holds the exchange: a body is to go as soon as it is answered.
            begun, exchange.begun = exchange.begun, None
            return self._continue(exchange, *begun)
        request = self._request(exchange)
        try:
            left = iter(stages.REQUEST)
            for stage in left:
                wait = stage(request)
                if wait is not None:
                    return self._later(request, self._waited(request, wait, left))
            answer = self._dispatch(request)
        except ApiError as error:
            answer = error_answer(request, error)
        if type(answer) is CoroutineType or isinstance(answer, Awaitable):
            return self._later(request, answer)
        return self._answered(request, answer)

    def _request(self, exchange: Exchange) -> Request:
        target = self.routes.identify(exchange.method, exchange.target)
        return Request(self, exchange, target, self.clock.monotonic())

    def _answered(self, request: Request, answer: Answer) -> Answer | Awaitable[Answer]:
        self.request_log.answered(request, answer, self.metrics.observe(request, answer))
        if self.auditor is None:
            return answer
        return self.auditor.answered(request, answer, stages.attributes(request))

    def _dispatch(self, request: Request) -> Answer | Awaitable[Answer]:
        heavy = len(request.exchange.body) >= HEAVY_BYTES and self.listening
        return in_turn(request, stages.dispatch) if heavy else stages.dispatch(request)

    async def _waited(self, request: Request, wait: Awaitable[None], left: Iterator[stages.Stage]) -> Answer:
        """The way of a request from a stage on that has to wait: somebody else is asked who this is, or may they."""
        await _passed(request, wait, left)
        answer = self._dispatch(request)
        return await answer if isinstance(answer, Awaitable) else answer

    def preview(self, exchange: Exchange) -> Response | None:
        """What a request is refused with whatever its body says; None when its body is worth reading.

        Who asks and whether they may is found out then, once, as upstream does.
        """
        request = self._request(exchange)
        judging: Judging | None = None
        try:
            left = iter(stages.REQUEST)
            for stage in left:
                wait = stage(request)
                if wait is not None:
                    judging = self.tasks.start(partial(_judged, request, wait, left), name="preview", policy="log")
                    break
        except ApiError as error:
            answer = error_answer(request, error)
            self._answered(request, answer)
            return answer
        exchange.begun = request, judging
        return None

    def _continue(self, exchange: Exchange, request: Request, judging: Judging | None) -> Awaitable[Answer]:
        """Answer a request whose body has come."""
        request.exchange, request.started = exchange, self.clock.monotonic()
        return self._later(request, self._with_body(request, judging))

    async def _with_body(self, request: Request, judging: Judging | None) -> Answer:
        if judging is not None:
            failure = await judging
            if failure is not None:
                raise failure
        answer = self._dispatch(request)
        return await answer if isinstance(answer, Awaitable) else answer

    async def _later(self, request: Request, pending: Awaitable[Answer]) -> Answer:
        in_flight, kind = self.metrics.in_flight, in_flight_kind(request)
        in_flight[kind] += 1
        try:
            answer = await pending
        except ApiError as error:
            answer = error_answer(request, error)
        except StoreError as error:
            answer = error_answer(request, as_api_error(error))
        except BaseException as error:
            if request.record is not None:
                request.record.broken_off(error)
            raise
        finally:
            in_flight[kind] -= 1
        told = self._answered(request, answer)
        return await told if isinstance(told, Awaitable) else told

    def token_keys(self) -> Keys:
        """What service accounts' tokens are signed with. Raises ApiError 501 when none is configured."""
        keys = self.authentication.keys
        if keys is None or not keys.signs:
            raise ApiError("no key to sign tokens with is configured", code=501, reason="NotImplemented")
        return keys

    def _find(self, plural: str, namespace: str, name: str) -> Entry | None:
        return self.cache.resource("", plural).get(namespace or None, name)

    def rules(self, user: User, namespace: str) -> tuple[list[Any], list[Any], str]:
        """What the authorizers can list of a user's permissions, and why that is not all ("": it is)."""
        return self.authorization.rules(user, namespace)

    # state

    def resource(self, kind: Kind) -> ResourceCache:
        """The cache that holds the kind's objects, in whichever version they are stored."""
        found = self._resources.get(kind)
        if found is None:
            found = self._resources[kind] = self._configured(*kind.stored[:2])
        return found

    def decoded(self, entry: Entry) -> Any:
        """An entry's object, decoded once per revision; for small kinds that plugins look at on every write.

        Read only.
        """
        found = self._decoded.get(entry)
        if found is None:
            _, _, group, plural, _ = entry.key.split("/", 4)
            kind = next(k for k in self.registry.kinds() if k.stored[:2] == ("" if group == "core" else group, plural))
            if len(self._decoded) > 4096:
                self._decoded.clear()
            found = self._decoded[entry] = self.registry.stored(kind).decode(entry.data)
        return found

    def namespace_is_ending(self, entry: Entry) -> bool:
        """Whether a namespace is being deleted."""
        known = self._ending.get(entry)
        if known is None:
            if len(self._ending) > 4096:
                self._ending.clear()
            known = self._ending[entry] = is_ending(entry.data)
        return known

    def _configured(self, group: str, plural: str) -> ResourceCache:
        return self.cache.resource(group, plural, fields=selection.FIELDS.get((group, plural)))

    def statistics(self) -> dict[str, Any]:
        """Figures for an operator."""
        return {
            "version": version.git_version(),
            "uptime_seconds": round(self.clock.monotonic() - self._began, 3),
            "in_flight": self.metrics.in_flight,
            "connections": len(self._listener.connections) if self._listener else 0,
            "authentication": self.authentication.statistics(),
            "cache": self.cache.statistics(),
            "store": self.store.statistics(),
        }


async def _passed(request: Request, wait: Awaitable[None], left: Iterator[stages.Stage]) -> None:
    """Through the stages that are left, from one on that has to be waited for. Raises ApiError."""
    await wait
    for stage in left:
        further = stage(request)
        if further is not None:
            await further


async def _judged(request: Request, wait: Awaitable[None], left: Iterator[stages.Stage]) -> Exception | None:
    """Why the request may not go on; None: it may. Whatever fails is told, so that nothing is taken for a yes."""
    try:
        await _passed(request, wait, left)
    except Exception as error:
        return error
    return None
