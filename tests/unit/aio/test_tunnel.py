"""Tunnels over real sockets on loopback: the answer to the question, then bytes both ways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from sampan.aio.tunnel import BadAnswer, Refusal, Tunnel, dial, request_head

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"
CHUNKED = b"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n"
ASK = request_head("/x", "here", [(b"connection", b"Upgrade"), (b"upgrade", b"echo")])


class Near:
    """Notes what reaches the client."""

    def __init__(self) -> None:
        self.received = b""
        self.closed = asyncio.Event()
        self.changed = asyncio.Event()
        self.pauses: list[str] = []

    def forward(self, data: bytes) -> None:
        self.received += data
        self.changed.set()

    def close(self) -> None:
        self.closed.set()

    def pause(self) -> None:
        self.pauses.append("pause")
        self.changed.set()

    def resume(self) -> None:
        self.pauses.append("resume")
        self.changed.set()

    async def until(self, true: Callable[[], bool]) -> None:
        while not true():
            self.changed.clear()
            await self.changed.wait()


@asynccontextmanager
async def far(serve: Serve) -> AsyncIterator[int]:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            await serve(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def tunnel_to(port: int) -> Tunnel:
    answer = await dial("127.0.0.1", port, ASK, tls=None)
    assert isinstance(answer, Tunnel)
    return answer


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(SWITCHED + b"hello ")
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def test_bytes_go_both_ways_from_the_first_on() -> None:
    async with far(echo) as port:
        tunnel, near = await tunnel_to(port), Near()
        assert tunnel.head == SWITCHED
        tunnel.open(near, b"early ")
        tunnel.receive(b"late")
        await near.until(lambda: near.received == b"hello early late")
        tunnel.close()


async def test_the_far_ends_end_is_the_near_ends() -> None:
    async def goodbye(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(SWITCHED + b"goodbye")

    async with far(goodbye) as port:
        tunnel, near = await tunnel_to(port), Near()
        tunnel.open(near, b"")
        await near.closed.wait()
        assert near.received == b"goodbye"
        tunnel.pause()
        tunnel.resume()
        tunnel.close()


async def test_who_does_not_read_stops_the_other() -> None:
    reading = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(SWITCHED)
        await reading.wait()
        while await reader.read(1 << 20):
            pass

    async with far(slow) as port:
        tunnel, near = await tunnel_to(port), Near()
        tunnel.open(near, b"")
        while not near.pauses:
            tunnel.receive(b"x" * (1 << 20))
        reading.set()
        await near.until(lambda: near.pauses == ["pause", "resume"])
        tunnel.close()


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone", Refusal(404, "none")),
        (b"HTTP/1.1 403 Forbidden\r\n\r\nuntil the end", Refusal(403, "until the end")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: a/b\r\n\r\nok", Refusal(200, "ok", "a/b")),
        (CHUNKED + b"2\r\nno\r\nA\r\nt possible \r\n0\r\n\r\n", Refusal(400, "not possible")),
        (CHUNKED + b"no size\r\n0\r\n\r\n", Refusal(400, "")),
    ],
)
async def test_a_refusal_is_told(answer: bytes, found: Refusal) -> None:
    ended = asyncio.Event()

    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        if CHUNKED in answer:
            await ended.wait()  # the body tells its end, not the connection's

    async with far(refuse) as port:
        assert await dial("127.0.0.1", port, ASK, tls=None) == found
        ended.set()


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 101", b"HTTP/1.1 x y\r\n\r\n", b"a" * 70_000])
async def test_what_is_no_answer_is_an_error(answer: bytes) -> None:
    async def nonsense(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    async with far(nonsense) as port:
        with pytest.raises(BadAnswer):
            await dial("127.0.0.1", port, ASK, tls=None)


async def test_an_endless_refusal_is_cut_off() -> None:
    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 No\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with far(endless) as port:
        answer = await dial("127.0.0.1", port, ASK, tls=None)
        assert isinstance(answer, Refusal) and len(answer.text) <= 4096
