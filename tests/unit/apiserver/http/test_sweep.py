"""Who sends too slowly, does not read, or does nothing for long is dropped, by one sweep over all connections."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sampan.apiserver.http.connection import Connection
from sampan.apiserver.http.exchange import Exchange, Response
from sampan.apiserver.http.listener import IDLE_SECONDS, REQUEST_SECONDS, STALLED_SECONDS, SWEEP_SECONDS, Listener

HEAD = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"


class Clock:
    """Time passes when somebody sleeps; after `end` sleeping goes on for ever."""

    def __init__(self) -> None:
        self.seconds = self.end = 0.0

    def now(self) -> float:
        return self.seconds

    monotonic = now

    async def sleep(self, seconds: float) -> None:
        if self.seconds + seconds > self.end:
            await asyncio.Event().wait()
        self.seconds += seconds


class Transport:
    def __init__(self) -> None:
        self.aborted = False
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None: ...

    def pause_reading(self) -> None: ...


def echo(exchange: Exchange) -> Response:
    return Response(200, b"ok")


async def after(seconds: float, received: bytes, *, stalled: bool = False) -> bool:
    """Whether a connection that got these bytes is dropped so many seconds later."""
    clock: Any = Clock()
    listener = Listener(echo, clock=clock, body_limit=1000)
    connection, transport = Connection(listener), Transport()
    connection.connection_made(transport)  # type: ignore[arg-type]
    connection.data_received(received)
    if stalled:
        connection.pause_writing()
    clock.end = seconds
    sweep = asyncio.create_task(listener._sweep())
    for _ in range(200):
        await asyncio.sleep(0)
    sweep.cancel()
    return transport.aborted


@pytest.mark.parametrize("received", [b"GET /a HT", HEAD, HEAD + b"abc"])
async def test_a_request_must_arrive(received: bytes) -> None:
    assert not await after(REQUEST_SECONDS, received)
    assert await after(REQUEST_SECONDS + SWEEP_SECONDS, received)


async def test_an_answer_must_be_read() -> None:
    whole = HEAD + b"abcde"
    assert not await after(STALLED_SECONDS, whole, stalled=True)
    assert await after(STALLED_SECONDS + SWEEP_SECONDS, whole, stalled=True)


async def test_a_connection_must_be_used() -> None:
    for received in (b"", HEAD + b"abcde"):
        assert not await after(IDLE_SECONDS, received)
        assert await after(IDLE_SECONDS + SWEEP_SECONDS, received)


async def test_bodies_are_bounded_together() -> None:
    clock: Any = Clock()
    listener = Listener(echo, clock=clock, body_limit=1000, held_limit=7)
    first, second = Transport(), Transport()
    for transport in (first, second):
        connection = Connection(listener)
        connection.connection_made(transport)  # type: ignore[arg-type]
        connection.data_received(HEAD + b"abcd")
    assert first.data == b""
    assert second.data.startswith(b"HTTP/1.1 429 ")


async def test_who_was_shaking_hands_while_the_listener_closed_comes_too_late() -> None:
    clock: Any = Clock()
    listener = Listener(echo, clock=clock, body_limit=1000)
    connection, transport = Connection(listener), Transport()
    await listener.close()
    connection.connection_made(transport)  # type: ignore[arg-type]
    connection.data_received(HEAD + b"abcde")
    assert (transport.aborted, transport.data) == (True, b"")


async def test_a_stranger_is_refused_before_the_body() -> None:
    clock: Any = Clock()
    listener = Listener(echo, clock=clock, body_limit=1 << 20, preview=lambda exchange: Response(401, b"no"))
    transport = Transport()
    connection = Connection(listener)
    connection.connection_made(transport)  # type: ignore[arg-type]
    connection.data_received(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
    assert transport.data.startswith(b"HTTP/1.1 401 ")


async def test_answers_that_are_not_read_are_not_made() -> None:
    """Requests wait while the client does not take the answers to those before."""
    clock: Any = Clock()
    transport = Transport()
    connection = Connection(Listener(echo, clock=clock, body_limit=1000))
    connection.connection_made(transport)  # type: ignore[arg-type]
    connection.pause_writing()
    connection.data_received((HEAD + b"abcde") * 3)
    assert transport.data == b""
    connection.resume_writing()
    for _ in range(5):
        await asyncio.sleep(0)
    assert transport.data.count(b"HTTP/1.1 200") == 3
