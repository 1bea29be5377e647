"""Plain HTTP for those who ask after health and metrics: GET, no TLS, an answer for each path."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from aiohttp import web

from sampan.aio.clock import Clock

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: str


Answer = Callable[[str], Reply]
"""From a request's path to what is answered."""
Close = Callable[[], Awaitable[None]]
Place = tuple[str, int]
"""Address ("" for all) and port."""
NOT_FOUND = Reply(404, {}, "404 page not found\n")
TEXT = {"Content-Type": "text/plain; charset=utf-8"}


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


async def serve(place: Place | None, answer: Answer, clock: Clock) -> None:
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
