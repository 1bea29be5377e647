"""Requests without an end of their own: streams to containers, logs, and what goes through proxies.

They are counted (`apiserver_longrunning_requests`) from their beginning until the last byte has passed, or somebody has
gone. Watches count themselves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import wraps

from sampan.aio.tunnel import Near, Takeover
from sampan.apiserver.http.exchange import Answer, Feed, Response, Sink, Stream
from sampan.apiserver.request import Request

Verb = Callable[[Request], Awaitable[Answer]]


def counted(verb: Verb) -> Verb:
    """The verb, whose requests are counted while they last."""

    @wraps(verb)
    async def counting(request: Request) -> Answer:
        metrics = request.server.metrics
        metrics.begun(request)
        over = Once(lambda: metrics.begun(request, -1))
        try:
            answer = await verb(request)
        except BaseException:
            over()
            raise
        if isinstance(answer, Response):
            over()
        return watched_to_its_end(answer, over)

    return counting


def watched_to_its_end(answer: Answer, over: Once) -> Answer:
    """The answer, at the end of which `over` is called; a complete one has none."""
    if isinstance(answer, Takeover):
        return _Takeover(answer, over)
    if isinstance(answer, Stream):
        answer.chunks = _Pieces(answer.chunks, over)
    elif not isinstance(answer, Response):
        return _Feed(answer, over)
    return answer


class Once:
    """Calls `then` the first time only."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._then: Callable[[], None] | None = then

    def __call__(self) -> None:
        then, self._then = self._then, None
        if then is not None:
            then()


class _Pieces:
    """A stream's pieces; over when it is closed, even if nobody has asked for the first."""

    def __init__(self, pieces: AsyncIterator[bytes], over: Once) -> None:
        self._pieces = pieces
        self._over = over

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._pieces)

    async def aclose(self) -> None:
        self._over()
        close = getattr(self._pieces, "aclose", None)
        if close is not None:
            await close()


class _Takeover(Takeover):
    """A tunnel; over when the client's connection is."""

    def __init__(self, tunnel: Takeover, over: Once) -> None:
        self._tunnel = tunnel
        self._over = over
        self.head = tunnel.head

    def open(self, near: Near, early: bytes) -> None:
        self._tunnel.open(near, early)

    def receive(self, data: bytes) -> None:
        self._tunnel.receive(data)

    def pause(self) -> None:
        self._tunnel.pause()

    def resume(self) -> None:
        self._tunnel.resume()

    def close(self) -> None:
        self._over()
        self._tunnel.close()


class _Feed:
    """A feed; over when it says that it is, or its client has gone."""

    def __init__(self, feed: Feed, over: Once) -> None:
        self._feed = feed
        self._over = over
        self.content_type, self.status = feed.content_type, feed.status

    def open(self, sink: Sink) -> None:
        self._feed.open(_Sink(sink, self._over))

    def resume(self) -> None:
        self._feed.resume()

    def close(self) -> None:
        self._over()
        self._feed.close()


class _Sink:
    def __init__(self, sink: Sink, over: Once) -> None:
        self._sink = sink
        self._over = over
        self.send = sink.send

    @property
    def paused(self) -> bool:
        return self._sink.paused

    def end(self) -> None:
        self._over()
        self._sink.end()

    def abort(self) -> None:
        self._over()
        self._sink.abort()
