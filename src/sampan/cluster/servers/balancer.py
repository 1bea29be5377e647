"""One address for several API servers: connections are handed on as they are, TLS and all, to a server that lives.

Whoever connects is given the ready server with the fewest connections; one that refuses is passed over, unseen by the
client. Each server is asked for `/readyz` twice a second. One that says no is stopping: it gets no new connections and
ends those it has in good order. One that does not answer at all, though it takes connections (stopped, or cut off), has
its connections ended after some tries, so that their clients turn to another: a client's own time-outs are far longer.

No request is ever sent twice or held here, so what a client knows of its request is what the server told it.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner

log = logging.getLogger(__name__)
ASK_SECONDS = 0.5
CONNECT_SECONDS = 2.0
SILENT_TIMES = 3
"""Unanswered questions after which a server's connections are ended."""
HIGH_WATER_BYTES = 256 << 10


class Health(enum.Enum):
    """What came of asking a server."""

    READY = "ready"
    STOPPING = "says it is not ready"
    GONE = "refuses connections"
    SILENT = "does not answer"


class Backend(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(eq=False)
class State:
    """What is known of one server; it is thought ready until asked."""

    backend: Backend
    health: Health = Health.READY
    silent: int = 0
    opening: int = 0
    connections: set[End] = field(default_factory=set)

    def learn(self, health: Health) -> None:
        if health is not self.health:
            log.info("server=%s state=%s connections=%d", self.backend, health.value, len(self.connections))
        self.health = health
        self.silent = self.silent + 1 if health is Health.SILENT else 0
        if self.silent == SILENT_TIMES and self.connections:
            log.warning("ending the connections of a silent server=%s count=%d", self.backend, len(self.connections))
            for end in tuple(self.connections):
                end.abort()


def order(states: Sequence[State]) -> list[State]:
    """Whom to try, first to last: ready ones before others, then those with the fewest connections."""
    return sorted(states, key=lambda state: (state.health is not Health.READY, len(state.connections) + state.opening))


class End(asyncio.Protocol):
    """One of a connection's two ends; what comes in goes out at the `other`, as fast as that takes it."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.other: End | None = None
        self.early: list[bytes] = []
        self.finished = False
        self.closed: Callable[[], None] = _nothing
        self.opened: Callable[[End], None] = _nothing_of

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        self.opened(self)

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self.other.transport.write(data)
        else:
            # Not joined yet: the server speaks first, or the loop had read before it was told not to.
            self.early.append(data)
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """This end has said all it has to say: the other is told, and may go on until it has, too."""
        self.finished = True
        if self.other is None or self.other.finished:
            return False
        self.other.transport.write_eof()
        return True

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is not None:
            self.other.transport.close() if exc is None else self.other.transport.abort()
        self.closed()

    def abort(self) -> None:
        self.transport.abort()


class Balancer:
    """`ask` tells how a server is; `hosts` and `port` are listened on."""

    def __init__(
        self,
        backends: Sequence[Backend],
        *,
        hosts: Sequence[str],
        port: int,
        ask: Callable[[Backend], Awaitable[Health]],
        clock: Clock,
    ) -> None:
        self._states = [State(backend) for backend in backends]
        self._hosts = hosts
        self._port = port
        self._ask = ask
        self._clock = clock
        self._connecting: set[asyncio.Task[None]] = set()
        self._told = False

    async def run(self, listening: Callable[[int], None] = lambda port: None) -> None:
        """Until cancelled; `listening` is told the port. Raises OSError for an address in use."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._front, list(self._hosts), self._port, backlog=4096)
        listening(server.sockets[0].getsockname()[1])
        try:
            async with TaskOwner("balancer") as tasks:
                for state in self._states:
                    tasks.start(lambda state=state: self._watch(state), name=str(state.backend))  # type: ignore[misc]
                await tasks.wait()
        finally:
            server.close()
            for task in tuple(self._connecting):
                task.cancel()
            for state in self._states:
                for end in tuple(state.connections):
                    end.abort()

    def statistics(self) -> dict[str, Any]:
        return {str(s.backend): {"health": s.health.name, "connections": len(s.connections)} for s in self._states}

    async def _watch(self, state: State) -> None:
        while True:
            state.learn(await self._ask(state.backend))
            await self._clock.sleep(ASK_SECONDS)

    def _front(self) -> End:
        end = End()
        end.opened = self._accepted
        return end

    def _accepted(self, front: End) -> None:
        front.transport.pause_reading()
        task = asyncio.get_running_loop().create_task(self._connect(front), name="balancer/connect")
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, front: End) -> None:
        """Joins the client with the first server that takes a connection; with none, the client's is ended."""
        loop = asyncio.get_running_loop()
        for state in order(self._states):
            state.opening += 1
            try:
                _, back = await self._clock.wait_for(loop.create_connection(End, *state.backend), CONNECT_SECONDS)
            except ConnectionRefusedError:
                state.learn(Health.GONE)
                continue
            except (OSError, TimeoutError) as error:
                log.info("server=%s cannot be connected error=%s", state.backend, error or "timeout")
                continue
            finally:
                state.opening -= 1
            self._told = False
            join(front, back, state)
            return
        if not self._told:
            self._told = True
            log.warning("no server takes connections servers=%s", ", ".join(str(s.backend) for s in self._states))
        front.abort()


def join(front: End, back: End, state: State) -> None:
    """From now on what comes in at one end goes out at the other."""
    if front.transport.is_closing():
        back.abort()
        return
    front.other, back.other = back, front
    state.connections.add(back)
    back.closed = lambda: state.connections.discard(back)
    for end in (front, back):
        end.transport.writelines(end.other.early if end.other else [])
        with contextlib.suppress(RuntimeError):
            end.transport.resume_reading()


def _nothing() -> None:
    """Nobody wants to know."""


def _nothing_of(end: End) -> None:
    """Nobody wants to know."""
