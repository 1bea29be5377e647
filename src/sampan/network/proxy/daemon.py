"""The proxy with what others ask it: its health, its metrics, the health of services."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.client.informers import Informers
from sampan.client.interface import Client
from sampan.network import httpserver
from sampan.network.liveness.component import PeerLiveness
from sampan.network.proxy import conntrack, httpd, modes, tracking
from sampan.network.proxy.component import ServiceProxy
from sampan.network.proxy.config import ProxyConfig


class ProxyDaemon:
    """`informers` as of `ServiceProxy`; `beside`: what others in this process say of themselves, for `/statusz`;
    `avoid`: hears, as the proxy does, which nodes do not answer."""

    def __init__(
        self,
        *,
        client: Client,
        clock: Clock,
        rng: random.Random,
        config: ProxyConfig,
        informers: Informers | None = None,
        beside: Callable[[], dict[str, Any]] = dict,
        avoid: Callable[[frozenset[str]], None] | None = None,
    ) -> None:
        self._config = config
        self._beside = beside
        self._clock = clock
        self._own_informers = informers is None
        self._informers = informers or Informers(client, clock, rng)
        self.proxy = ServiceProxy(
            client=client,
            clock=clock,
            rng=rng,
            node_name=config.node_name,
            backends=modes.chosen(config),
            former=modes.former(config),
            local_addresses=set(config.local_addresses),
            informers=self._informers,
            server=httpd.NodePortServer(),
            forget=conntrack.forget_unanswered,
            mode=config.mode,
        )
        self.liveness = PeerLiveness(
            informers=self._informers, clock=clock, rng=rng, node_name=config.node_name,
            tell=[self.proxy.avoid, *([avoid] if avoid else [])],
        )  # fmt: skip

    async def run(self) -> None:
        """Until cancelled; leaves the rules in place."""
        tracking.apply(self._config.tracking)
        async with TaskOwner("proxy") as owner:
            if self._own_informers:
                self._informers.start(owner)
            owner.start(self.proxy.run, name="rules")
            owner.start(self.liveness.run, name="liveness")
            owner.start(self._health, name="health")
            owner.start(self._metrics, name="metrics")
            await owner.wait()

    def statistics(self) -> dict[str, Any]:
        own = {"mode": self._config.mode, "liveness": self.liveness.statistics()}
        return {**own, **self.proxy.statistics(), **self._beside()}

    async def _health(self) -> None:
        def answer(path: str) -> Any:
            return httpd.health_answer(self.proxy, self._clock, path)

        await httpserver.serve(self._config.health, answer, self._clock)

    async def _metrics(self) -> None:
        def answer(path: str) -> Any:
            return httpd.metrics_answer(self.proxy, self._config.mode, self.statistics, path)

        await httpserver.serve(self._config.metrics, answer, self._clock)
