"""The proxy's own HTTP: health for load balancers and machines, metrics for those who count. Plain GET, no TLS."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence

from aiohttp import web
from prometheus_client import generate_latest

from sampan.aio.clock import Clock, micro_timestamp
from sampan.network.proxy.component import ServiceProxy
from sampan.network.proxy.healthchecks import Reply
from sampan.network.proxy.healthserver import Answer, Close

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
JSON = {"Content-Type": "application/json", "X-Content-Type-Options": "nosniff"}
NOT_FOUND = Reply(404, {}, "404 page not found\n")


async def listen(addresses: Sequence[str], port: int, answer: Answer) -> Close:
    """Answers GET at these addresses ("" for all); raises OSError when one cannot be had."""

    async def handle(request: web.BaseRequest) -> web.Response:
        found = answer(request.path)
        return web.Response(status=found.status, headers=found.headers, text=found.body)

    server = web.Server(handle, access_log=None)
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(server, list(addresses) if any(addresses) else None, port)

    async def close() -> None:
        listening.close()
        await server.shutdown(1.0)

    return close


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
    good = proxy.healthy() and all(eligible.values())
    now = micro_timestamp(clock.now())
    updated = now if good else micro_timestamp(proxy.last_applied)
    code = 200 if good else 503
    proxy.metrics.health(path[1:], code)
    return Reply(code, JSON, json.dumps({"lastUpdated": updated, "currentTime": now, **eligible}))


def metrics_answer(proxy: ServiceProxy, mode: str, path: str) -> Reply:
    """What there is at the metrics port."""
    answers = {
        "/metrics": lambda: generate_latest(proxy.metrics.registry).decode(),
        "/proxyMode": lambda: mode,
        "/healthz": lambda: "ok",
        "/statusz": lambda: json.dumps(proxy.statistics(), indent=1),
    }
    found = answers.get(path)
    return Reply(200, {"Content-Type": "text/plain; charset=utf-8"}, found()) if found else NOT_FOUND


async def serve(place: tuple[str, int] | None, answer: Answer, clock: Clock) -> None:
    """Answers there until cancelled; a place that is taken is tried again, for another proxy may be going away."""
    if place is None:
        return
    while True:
        try:
            close = await listen([place[0]], place[1], answer)
        except OSError as error:
            log.warning("cannot answer there address=%s port=%d error=%s", *place, error)
            await clock.sleep(RETRY_SECONDS)
            continue
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await close()
