"""Requests that last are counted until they are over, however they end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from sampan.aio.tunnel import Near, Takeover
from sampan.apiserver.http.exchange import Response, Stream
from sampan.apiserver.longrunning import counted


class Metrics:
    def __init__(self) -> None:
        self.running = 0

    def begun(self, _: Any, count: int = 1) -> None:
        self.running += count


class Tunnel(Takeover):
    """Notes what it is told."""

    head = b"101"

    def __init__(self) -> None:
        self.told: list[str] = []

    def open(self, near: Near, early: bytes) -> None:
        self.told.append(f"open {early!r}")

    def receive(self, data: bytes) -> None:
        self.told.append(f"receive {data!r}")

    def pause(self) -> None:
        self.told.append("pause")

    def resume(self) -> None:
        self.told.append("resume")

    def close(self) -> None:
        self.told.append("close")


async def answered(answer: Any) -> tuple[Any, Metrics]:
    metrics = Metrics()
    request: Any = SimpleNamespace(server=SimpleNamespace(metrics=metrics))

    @counted
    async def verb(_: Any) -> Any:
        assert metrics.running == 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    try:
        return await verb(request), metrics
    except ValueError:
        return None, metrics


@pytest.mark.parametrize("answer", [Response(200, b""), ValueError("refused")])
async def test_what_is_answered_at_once_is_over(answer: Any) -> None:
    _, metrics = await answered(answer)
    assert metrics.running == 0


@pytest.mark.parametrize("taken", [0, 1, 2])
async def test_a_stream_is_over_when_it_is_closed(taken: int) -> None:
    closed = False

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal closed
        try:
            yield b"a"
            yield b"b"
        finally:
            closed = True

    stream, metrics = await answered(Stream(pieces()))
    assert [await anext(stream.chunks) for _ in range(taken)] == [b"a", b"b"][:taken]
    assert metrics.running == 1
    await stream.chunks.aclose()
    await stream.chunks.aclose()
    assert (metrics.running, closed) == (0, taken > 0)


async def test_a_tunnel_is_over_when_its_client_has_gone() -> None:
    tunnel = Tunnel()
    counting, metrics = await answered(tunnel)
    near: Any = None
    assert (counting.head, counting.status) == (b"101", 101)
    counting.open(near, b"x")
    counting.receive(b"y")
    counting.pause()
    counting.resume()
    assert metrics.running == 1
    counting.close()
    assert metrics.running == 0
    assert tunnel.told == ["open b'x'", "receive b'y'", "pause", "resume", "close"]
