"""The ports at which services' health checks are answered, opened and closed as the services come and go."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from sampan.network.httpserver import Answer, Close, Reply
from sampan.network.proxy.healthchecks import HealthCheck, reply

log = logging.getLogger(__name__)


class Server(Protocol):
    """What listens; raises OSError when the port cannot be had. It gives what closes the port again."""

    async def __call__(self, port: int, answer: Answer) -> Close: ...


class HealthChecks:
    """`healthy` tells whether the proxy itself is."""

    def __init__(self, server: Server, healthy: Callable[[], bool]) -> None:
        self._server = server
        self._healthy = healthy
        self._checks: dict[str, HealthCheck] = {}
        self._open: dict[int, Close] = {}

    async def update(self, changed: Mapping[str, HealthCheck | None], *, full: bool) -> None:
        """The checks of these services are so from now on; with `full` there are no others."""
        kept = {} if full else {key: check for key, check in self._checks.items() if key not in changed}
        self._checks = kept | {key: check for key, check in changed.items() if check is not None}
        wanted = {check.port: key for key, check in self._checks.items()}
        for port in self._open.keys() - wanted.keys():
            await self._open.pop(port)()
        for port, key in wanted.items():
            if port not in self._open:
                await self._listen(port, key)

    async def close(self) -> None:
        await self.update({}, full=True)

    async def _listen(self, port: int, key: str) -> None:
        try:
            self._open[port] = await self._server(port, lambda _: self._reply(port))
        except OSError as error:
            log.warning("no health checks of this service service=%s port=%d error=%s", key, port, error)

    def _reply(self, port: int) -> Reply:
        check = next(check for check in self._checks.values() if check.port == port)
        return reply(check, self._healthy())
