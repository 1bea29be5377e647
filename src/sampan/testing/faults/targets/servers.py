"""API servers over a simulated etcd, in virtual time: whole ones, but for their sockets."""

from __future__ import annotations

import asyncio
import json
import random
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from sampan.apiserver.auth.user import User
from sampan.apiserver.config import Config
from sampan.apiserver.http.exchange import Exchange, Feed, Response
from sampan.apiserver.server import ApiServer
from sampan.store.errors import Unavailable
from sampan.testing.faults.apistore import ApiStore, Underneath
from sampan.testing.faults.targets.networked import Networked
from sampan.testing.faults.targets.place import Place
from sampan.testing.faults.targets.target import Fault
from sampan.testing.faults.workload import Served
from sampan.testing.simetcd import Link
from sampan.testing.simetcd.link import Broken

PIECES = 8
"""What a connection holds for a client that is slow to read."""


class Everybody:
    """Authenticates whoever comes as an administrator."""

    def authenticate(self, exchange: Exchange) -> User:
        return User("admin", groups=("system:masters", "system:authenticated"))


class Servers(Networked):
    """`Target`: three API servers, and the API as the store."""

    single = True

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.faults |= {
            "clock-forward": self._skew(1, 10_000),
            "clock-back": self._skew(-10_000, -1),
            "clients-cut": self._clients("mode", "cut"),
            "clients-silent": self._clients("mode", "hole"),
            "clients-slow": self._clients("seconds", 0.5),
            "clients-lossy": self._clients("lossy", 0.2),
        }

    async def open(self, place: Place) -> tuple[Served, Callable[[], Coroutine[Any, Any, None]]]:
        config = Config(disable_plugins=("ServiceAccount",))
        rng = random.Random(self.rng.getrandbits(32))
        server = ApiServer(config, place.store, place.process, rng)
        server.authenticator = Everybody()
        try:
            await server.start(listen=False)
        except BaseException:
            await server.close()
            raise
        served = ApiStore(InProcess(server, place))
        await served.prepare()
        return served, server.close

    def journal(self) -> Served:
        return Underneath(self.engine())

    def _skew(self, least: float, most: float) -> Fault:
        async def jump(rng: random.Random) -> None:
            """The calendar of one machine is set; it stays wrong."""
            place = rng.choice(self.places)
            place.skew += rng.uniform(least, most)
            place.process.skew = place.skew

        return jump

    def _clients(self, name: str, value: Any) -> Fault:
        async def hurt(rng: random.Random) -> None:
            await self._bad(rng.choice(self.places).clients, name, value, rng)

        return hurt


class InProcess:
    """`Caller` on a server in this process, by the place's link for clients."""

    def __init__(self, server: ApiServer, place: Place) -> None:
        self.server = server
        self.link: Link = place.clients
        self.process = place.process

    async def request(self, method: str, target: str, body: Any = None) -> tuple[int, Any]:
        data = b"" if body is None else json.dumps(body).encode()
        try:
            await self.link.there()
            await self.process.gate.passed()
            answer = await self.link.during(self._answer(method, target, data))
            await self.link.back()
        except Broken:
            raise Unavailable("the connection was lost") from None
        return answer.status, json.loads(answer.whole())

    async def _answer(self, method: str, target: str, data: bytes) -> Response:
        answer: Any = self.server.handle(_exchange(method, target, data))
        if not isinstance(answer, Response):
            answer = await answer
        assert isinstance(answer, Response), "only watches are answered otherwise"
        return answer

    def follow(self, target: str) -> Connection:
        return Connection(self, target)


class Connection:
    """`Lines`, and the `Sink` at the server's end: a connection that holds little for a client that does not read."""

    def __init__(self, caller: InProcess, target: str) -> None:
        self._caller = caller
        self._target = target
        self._pieces: deque[bytes] = deque()
        self._events: deque[dict[str, Any]] = deque()
        self._feed: Feed | None = None
        self._over = False
        self._broken: asyncio.Future[None] | None = None
        self._waiter: asyncio.Future[None] | None = None

    # Lines

    async def next(self) -> dict[str, Any]:
        try:
            if self._broken is None:
                await self._open()
            while not self._events:
                await self._more()
        except Broken:
            self.close()
            raise Unavailable("the connection was lost") from None
        return self._events.popleft()

    async def _open(self) -> None:
        self._broken = self._caller.link.end()
        self._broken.add_done_callback(lambda _: self._wake())
        await self._caller.link.there()
        await self._caller.process.gate.passed()
        answer: Any = self._caller.server.handle(_exchange("GET", self._target, b""))
        if asyncio.iscoroutine(answer):
            answer = await self._caller.link.during(answer)
        if isinstance(answer, Response):
            raise Unavailable(f"{answer.status}: {answer.whole()!r}")
        self._feed = answer
        self._feed.open(self)

    async def _more(self) -> None:
        """Takes a piece from the connection, and lets the server send on."""
        while not self._pieces:
            if self._over:
                raise Unavailable("the server ended the watch")
            if self._broken is None or self._broken.done():
                raise Broken
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        await self._caller.link.back()
        piece = self._pieces.popleft()
        self._events.extend(json.loads(line) for line in piece.splitlines())
        if self._feed is not None and not self._over and not self.paused:
            self._feed.resume()

    def close(self) -> None:
        feed, self._feed = self._feed, None
        if feed is not None and not self._over:
            feed.close()
        self._over = True
        if self._broken is not None:
            self._broken.cancel()
        self._wake()

    # Sink

    @property
    def paused(self) -> bool:
        return len(self._pieces) >= PIECES

    def send(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._wake()

    def end(self) -> None:
        self._over = True
        self._wake()

    def abort(self) -> None:
        self._pieces.clear()
        self.end()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _exchange(method: str, target: str, data: bytes) -> Exchange:
    return Exchange(method=method, target=target, headers={b"content-type": b"application/json"}, body=data)
