"""HTTP/1.1 on one connection, driven by bytes without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sampan.aio.clock import SystemClock
from sampan.apiserver.http.connection import Connection
from sampan.apiserver.http.exchange import Exchange, Response, Sink, Stream
from sampan.apiserver.http.listener import Listener
from sampan.apiserver.http.reader import MAX_HEAD_BYTES


class Transport:
    """Collects what is written."""

    def __init__(self) -> None:
        self.data = b""
        self.closed = False
        self.reading = True

    def write(self, data: bytes) -> None:
        self.data += data

    def writelines(self, pieces: list[bytes]) -> None:
        self.data += b"".join(pieces)

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def get_extra_info(self, name: str) -> Any:
        return None


def connect(handler: Any, *, limit: int = 1000) -> tuple[Connection, Transport]:
    connection = Connection(Listener(handler, clock=SystemClock(), body_limit=limit))
    transport = Transport()
    connection.connection_made(transport)  # type: ignore[arg-type]
    return connection, transport


def echo(exchange: Exchange) -> Response:
    return Response(200, f"{exchange.method} {exchange.target} ".encode() + exchange.body, b"text/plain")


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def bodies(data: bytes) -> list[bytes]:
    """The bodies of answers with a Content-Length."""
    found = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        found.append(rest[:length])
        data = rest[length:]
    return found


GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


def test_answer_at_once() -> None:
    connection, transport = connect(echo)
    connection.data_received(GET)
    assert transport.data.startswith(b"HTTP/1.1 200 OK\r\n")
    assert bodies(transport.data) == [b"GET /a "]


def test_bytes_may_come_one_by_one() -> None:
    connection, transport = connect(echo)
    for byte in b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" + GET:
        connection.data_received(bytes([byte]))
    assert bodies(transport.data) == [b"POST /a abc", b"GET /a "]


async def test_pipelined_requests_are_answered_in_order() -> None:
    gate = asyncio.Event()

    async def slow(exchange: Exchange) -> Response:
        await gate.wait()
        return echo(exchange)

    connection, transport = connect(lambda e: slow(e) if e.target == "/slow" else echo(e))
    connection.data_received(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" + GET + GET)
    assert transport.data == b""
    gate.set()
    await settle()
    assert bodies(transport.data) == [b"GET /slow ", b"GET /a ", b"GET /a "]


async def test_a_flood_of_requests_is_not_read() -> None:
    gate = asyncio.Event()

    async def slow(exchange: Exchange) -> Response:
        await gate.wait()
        return echo(exchange)

    connection, transport = connect(slow)
    connection.data_received(GET * 40)
    assert not transport.reading
    gate.set()
    for _ in range(50):
        await settle()
    assert transport.reading
    assert len(bodies(transport.data)) == 40


@pytest.mark.parametrize(
    "sent, status",
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n", b"413"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n" + b"x" * 2048 + b"\r\n", b"413"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", b"200"),
    ],
)
def test_refusals(sent: bytes, status: bytes) -> None:
    connection, transport = connect(echo)
    connection.data_received(sent)
    assert transport.data.split(b" ")[1] == status
    assert transport.closed


def test_endless_heads() -> None:
    connection, transport = connect(echo)
    connection.data_received(b"GET / HTTP/1.1\r\n")
    for _ in range(MAX_HEAD_BYTES // 1000 + 2):
        connection.data_received(b"X: " + b"y" * 1000 + b"\r\n")
    assert transport.data.split(b" ")[1] == b"431"
    assert transport.closed


def test_expectation_is_answered() -> None:
    connection, transport = connect(echo)
    connection.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
    assert transport.data == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.data_received(b"z")
    assert transport.data.endswith(b"POST / z")


def test_close_when_asked() -> None:
    connection, transport = connect(echo)
    connection.data_received(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert transport.closed
    assert b"Connection: close" in transport.data


def test_a_failing_handler_tells_nothing_of_its_inside() -> None:
    def broken(exchange: Exchange) -> Response:
        raise RuntimeError("secret")

    connection, transport = connect(broken)
    connection.data_received(GET)
    assert transport.data.split(b" ")[1] == b"500"
    assert b"secret" not in transport.data


async def test_streams_are_chunked_and_closed_with_the_client() -> None:
    ended = []

    async def pieces() -> AsyncIterator[bytes]:
        try:
            yield b"one"
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    connection, transport = connect(lambda e: Stream(pieces()))
    connection.data_received(GET)
    await settle()
    assert transport.data.endswith(b"Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
    connection.connection_lost(None)
    await settle()
    assert ended == [True]


class Ticker:
    """A feed that the test drives."""

    content_type = b"application/json"
    status = 200

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.sink: Sink

    def open(self, sink: Sink) -> None:
        self.sink = sink
        self.calls.append("open")

    def resume(self) -> None:
        self.calls.append("resume")

    def close(self) -> None:
        self.calls.append("close")


async def test_feeds() -> None:
    feed = Ticker()
    connection, transport = connect(lambda e: feed if e.target == "/feed" else echo(e))
    connection.data_received(b"GET /feed HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
    feed.sink.send(b"tick")
    connection.pause_writing()
    assert feed.sink.paused
    connection.resume_writing()
    assert not connection.idle()
    feed.sink.end()
    await settle()
    assert b"4\r\ntick\r\n0\r\n\r\nHTTP/1.1 200" in transport.data
    assert transport.data.endswith(b"GET /a ")
    assert feed.calls == ["open", "resume"]


async def test_a_client_that_goes_closes_its_feed() -> None:
    feed = Ticker()
    connection, _ = connect(lambda e: feed)
    connection.data_received(GET)
    connection.connection_lost(None)
    assert feed.calls == ["open", "close"]


async def test_a_server_that_goes_completes_its_feeds() -> None:
    feed = Ticker()
    connection, transport = connect(lambda e: feed)
    connection.data_received(GET)
    connection.finish()
    assert transport.data.endswith(b"0\r\n\r\n")
    assert transport.closed
    assert feed.calls == ["open", "close"]


async def test_a_tunnels_bytes_for_a_client_that_is_going_are_dropped() -> None:
    connection, transport = connect(echo)
    connection.forward(b"one")
    transport.close()
    connection.forward(b"two")
    assert transport.data == b"one"
