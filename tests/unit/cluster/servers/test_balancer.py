"""Connections handed on to servers that live, over loopback sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from sampan.cluster.servers.balancer import SILENT_TIMES, Backend, Balancer, Health, State, order
from sampan.testing.clock import VirtualClock

LONG = 30.0


class Backends:
    """Servers that say their number, then echo; `health` is what asking one tells."""

    def __init__(self) -> None:
        self.health: dict[Backend, Health] = {}
        self.servers: list[asyncio.Server] = []
        self.backends: list[Backend] = []

    async def add(self) -> Backend:
        number = len(self.backends)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"%d\n" % number)
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(1 << 16):
                    writer.write(data)
                    await writer.drain()
                writer.write(b"bye")
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self.servers.append(server)
        backend = Backend("127.0.0.1", server.sockets[0].getsockname()[1])
        self.backends.append(backend)
        self.health[backend] = Health.READY
        return backend

    async def ask(self, backend: Backend) -> Health:
        return self.health[backend]


@pytest.fixture
async def backends() -> AsyncIterator[Backends]:
    made = Backends()
    for _ in range(2):
        await made.add()
    yield made
    for server in made.servers:
        server.close()


@contextlib.asynccontextmanager
async def balanced(backends: Backends, clock: VirtualClock) -> AsyncIterator[tuple[Balancer, int]]:
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    balancer = Balancer(backends.backends, hosts=["127.0.0.1"], port=0, ask=backends.ask, clock=clock)
    task = asyncio.create_task(balancer.run(port.set_result))
    try:
        yield balancer, await asyncio.wait_for(port, LONG)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def client(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_connections_are_shared_out_and_carry_both_ways(backends: Backends) -> None:
    async with (
        balanced(backends, VirtualClock()) as (_, port),
        client(port) as (one, sending),
        client(port) as (two, _unused),
    ):
        assert {await one.readline(), await two.readline()} == {b"0\n", b"1\n"}
        payload = bytes(range(256)) * 8192
        sending.write(payload)
        assert await one.readexactly(len(payload)) == payload
        sending.write_eof()
        assert await one.read() == b"bye", "what is said after the client has finished arrives, too"


async def test_a_server_that_refuses_is_passed_over_unseen(backends: Backends) -> None:
    backends.servers[0].close()
    await backends.servers[0].wait_closed()
    async with balanced(backends, VirtualClock()) as (balancer, port):
        for _ in range(3):
            async with client(port) as (reader, writer):
                writer.write(b"early")
                assert await reader.readline() == b"1\n"
                assert await reader.readexactly(5) == b"early"
        assert balancer.statistics()[str(backends.backends[0])]["health"] in ("GONE", "READY")


async def test_one_that_stops_gets_no_new_connections_and_keeps_those_it_has(backends: Backends) -> None:
    clock = VirtualClock()
    async with balanced(backends, clock) as (_, port), client(port) as (old, sending):
        number = int(await old.readline())
        backends.health[backends.backends[number]] = Health.STOPPING
        await clock.advance(1)
        for _ in range(3):
            async with client(port) as (reader, _unused):
                assert int(await reader.readline()) == 1 - number
        sending.write(b"still")
        assert await old.readexactly(5) == b"still"


async def test_the_connections_of_a_silent_one_are_ended(backends: Backends) -> None:
    clock = VirtualClock()
    async with balanced(backends, clock) as (_, port), client(port) as (reader, _unused):
        number = int(await reader.readline())
        backends.health[backends.backends[number]] = Health.SILENT
        await clock.advance(SILENT_TIMES)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), LONG) == b""


async def test_with_no_server_the_client_is_told_at_once(backends: Backends) -> None:
    for server in backends.servers:
        server.close()
        await server.wait_closed()
    async with balanced(backends, VirtualClock()) as (_, port), client(port) as (reader, _unused):
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), LONG) == b""


def test_ready_servers_come_first_then_those_with_less_to_do() -> None:
    states = [State(Backend("h", n)) for n in range(4)]
    states[0].health = Health.STOPPING
    states[1].connections = {object()}  # type: ignore[arg-type]
    assert [state.backend.port for state in order(states)] == [2, 3, 1, 0]
