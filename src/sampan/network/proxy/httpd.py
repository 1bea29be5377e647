"""What the proxy answers by HTTP: health for load balancers and machines, metrics for those who count."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from prometheus_client import generate_latest

from sampan.aio.clock import Clock, micro_timestamp
from sampan.network.httpserver import NOT_FOUND, TEXT, Answer, Close, Reply, listen
from sampan.network.proxy.component import ServiceProxy

JSON = {"Content-Type": "application/json", "X-Content-Type-Options": "nosniff"}


class NodePortServer:
    """`healthserver.Server` on those addresses of this node that answer node ports."""

    def __init__(self, addresses: Sequence[str] = ("",)) -> None:
        self._addresses = addresses

    async def __call__(self, port: int, answer: Answer) -> Close:
        return await listen(self._addresses, port, answer)


def health_answer(proxy: ServiceProxy, clock: Clock, path: str) -> Reply:
    """/healthz says whether load balancers may send traffic to this node, /livez whether the proxy works."""
    if path not in ("/healthz", "/livez"):
        return NOT_FOUND
    eligible = {"nodeEligible": proxy.eligible} if path == "/healthz" else {}
    good = proxy.keeps_up() and all(eligible.values())
    now = micro_timestamp(clock.now())
    updated = now if good else micro_timestamp(proxy.last_applied)
    code = 200 if good else 503
    proxy.metrics.health(path[1:], code)
    return Reply(code, JSON, json.dumps({"lastUpdated": updated, "currentTime": now, **eligible}))


def metrics_answer(proxy: ServiceProxy, mode: str, statistics: Callable[[], dict[str, Any]], path: str) -> Reply:
    """What there is at the metrics port; `statistics` are those of the proxy and of who runs beside it."""
    answers = {
        "/metrics": lambda: generate_latest(proxy.metrics.registry).decode(),
        "/proxyMode": lambda: mode,
        "/healthz": lambda: "ok",
        "/statusz": lambda: json.dumps(statistics(), indent=1),
    }
    found = answers.get(path)
    return Reply(200, TEXT, found()) if found else NOT_FOUND
