"""Requests handed to an API server in the same event loop: no socket, no TLS, no copy.

Who asks is said by a certificate that was never signed: the server takes its transport's word for it, as it does for
one that TLS has verified.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, cast

from sampan.apiserver.http.exchange import Answer, Exchange, Feed, Response, Stream
from sampan.apiserver.server import ApiServer
from sampan.client.config import ClientConfig
from sampan.client.errors import Unreachable
from sampan.client.transport import HttpFailure

ADMINISTRATOR: dict[str, Any] = {"user": "kubernetes-admin", "groups": ("system:masters",)}
CONTROLLERS: dict[str, Any] = {"user": "system:kube-controller-manager", "groups": ()}
SCHEDULER: dict[str, Any] = {"user": "system:kube-scheduler", "groups": ()}
"""Who asks, as in a real cluster: a right that one of them lacks is missed in tests."""
FAR = "Dec 31 23:59:59 2999 GMT"
AGENT = ClientConfig.user_agent.encode()
FULL_BYTES = 1 << 22


class Caller:
    """The other end of a connection: a user with groups."""

    def __init__(self, user: str, groups: tuple[str, ...]) -> None:
        names = [(("organizationName", group),) for group in groups]
        self._certificate = {"subject": (*names, (("commonName", user),)), "notAfter": FAR}

    def certificate(self) -> dict[str, Any] | None:
        return self._certificate

    def encoded_certificate(self) -> bytes | None:
        return None

    def is_unverified(self) -> bool:
        return False

    def address(self) -> str:
        return ""


class DirectTransport:
    """A `client.transport.Transport`; `server()` is asked at each request, None meaning that it is down."""

    def __init__(
        self,
        server: Callable[[], ApiServer | None],
        *,
        user: str = ADMINISTRATOR["user"],
        groups: tuple[str, ...] = ADMINISTRATOR["groups"],
    ) -> None:
        self._server = server
        self._caller = Caller(user, groups)
        self._waiting: dict[asyncio.Task[Any], bool] = {}

    def drop(self) -> None:
        """The server has died: nobody will answer the requests on their way."""
        for task in self._waiting:
            self._waiting[task] = True
            task.cancel()

    async def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        answer = await self._answer(method, path, headers, body)
        if isinstance(answer, Response):
            return answer.status, answer.whole()
        if isinstance(answer, Stream):
            return answer.status, b"".join([chunk async for chunk in answer.chunks])
        raise ValueError(f"{path} is a watch: use stream()")

    async def stream(self, path: str, headers: Mapping[str, str], seconds: float | None) -> AsyncIterator[bytes]:
        answer = await self._answer("GET", path, headers, b"")
        if isinstance(answer, Response):
            raise HttpFailure(answer.status, answer.whole())
        lines = Lines()
        feed = cast(Feed, answer)
        feed.open(lines)
        try:
            async for line in lines.read(feed.resume):
                yield line
        finally:
            feed.close()

    async def close(self) -> None:
        """There is nothing to close."""

    async def _answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        server = self._server()
        if server is None or not server.started or server.stopping:
            raise Unreachable("the API server is down")
        lower = {b"user-agent": AGENT} | {name.lower().encode(): value.encode() for name, value in headers.items()}
        exchange = Exchange(method=method, target=path, headers=lower, body=body, peer=self._caller)
        answer = server.handle(exchange)
        return await self._awaited(answer) if isinstance(answer, Awaitable) else answer

    async def _awaited(self, answer: Awaitable[Answer]) -> Answer:
        """In the caller's own task, as `asyncio.timeout` does it, so that no other is made."""
        task = asyncio.current_task()
        assert task is not None
        cancelling = task.cancelling()
        self._waiting[task] = False
        try:
            return await answer
        except asyncio.CancelledError:
            if self._waiting[task] and task.uncancel() <= cancelling:
                raise Unreachable("the API server died before it answered") from None
            raise
        finally:
            del self._waiting[task]


class Lines:
    """A watch's `Sink`: what was sent, split into lines for whoever reads them."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._bytes = 0
        self._over: Exception | bool = False
        self._wake = asyncio.Event()

    @property
    def paused(self) -> bool:
        return self._bytes > FULL_BYTES

    def send(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._bytes += len(piece)
        self._wake.set()

    def end(self) -> None:
        self._over = True
        self._wake.set()

    def abort(self) -> None:
        self._over = Unreachable("the connection was dropped")
        self._wake.set()

    async def read(self, resume: Callable[[], None]) -> AsyncIterator[bytes]:
        """Every whole line; `resume` is called when there is room again. Raises Unreachable when it broke off."""
        while True:
            while self._pieces:
                was_paused = self.paused
                piece = self._pieces.popleft()
                self._bytes -= len(piece)
                if was_paused and not self.paused:
                    resume()
                for line in piece.splitlines():
                    yield line
            if self._over:
                break
            self._wake.clear()
            await self._wake.wait()
        if isinstance(self._over, Exception):
            raise self._over
