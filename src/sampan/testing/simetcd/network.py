"""Members, and the two ends of the ways to them: what `EtcdStore` is given in place of connections."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from sampan.aio.clock import Clock
from sampan.aio.grpc import Code, RpcError
from sampan.store.etcd.member import UNARY, Credentials, Member
from sampan.store.etcd.messages import pb
from sampan.testing.clock import VirtualClock
from sampan.testing.simetcd.answers import Answers, Refused
from sampan.testing.simetcd.link import Broken, Gate, Link, Process

REPEATABLE = ("range", "put", "grant", "status", "authenticate")


class Host:
    """One member. `lag` is the most seconds that its watches are late; `refusals` are given in place of answers."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.up = True
        self.gate = Gate()
        self.lag = 0.0
        self.leaderless = False
        self.forgetful = 0.0
        """The probability that it does what it is asked, and says that it timed out."""
        self.refusals: deque[Refused] = deque()
        self.ways: dict[Link, Way] = {}

    def ways_of(self, process: Process) -> list[Way]:
        return [way for way in self.ways.values() if way.process is process]

    def down(self) -> None:
        """The process ends; every connection to it breaks."""
        self.up = False
        for link in self.ways:
            link.sever()

    def lose_leader(self) -> None:
        """Cut off from the other members; watches that ask for a leader are ended."""
        self.leaderless = True
        for way in self.ways.values():
            way.end_watches(NO_LEADER())


NO_LEADER = partial(Refused, Code.UNAVAILABLE, "etcdserver: no leader")
TIMED_OUT = partial(Refused, Code.UNAVAILABLE, "etcdserver: request timed out")
BUSY = partial(Refused, Code.RESOURCE_EXHAUSTED, "etcdserver: too many requests")
STALE = partial(Refused, Code.UNAUTHENTICATED, "etcdserver: invalid auth token")
"""Made anew each time: an exception keeps hold of all it was ever raised through."""


class Network:
    """All members and ways. `run` starts what goes on whoever waits for it."""

    def __init__(self, urls: Sequence[str], answers: Answers, clock: VirtualClock, rng: random.Random) -> None:
        self.hosts = {url: Host(url) for url in urls}
        self.answers = answers
        self.clock = clock
        self.rng = rng
        self.token = "1"
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def way_of(self, process: Process) -> Callable[[str, Credentials, Clock], Member]:
        """What `EtcdStore` of that process takes as `member`."""
        return lambda url, credentials, clock: Way(self, self.hosts[url], process, credentials)

    def run(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = None
        task.add_done_callback(lambda ended: self._tasks.pop(ended, None))
        return task

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Way(Member):
    """`Member` over a simulated link."""

    def __init__(self, network: Network, host: Host, process: Process, credentials: Credentials) -> None:
        self.url = host.url
        self.streams = {}
        self.link = Link(process, network.rng)
        self._network, self._host, self.process = network, host, process
        self._secured = bool(credentials.user)
        self._closed = False
        self._open: dict[Stream, None] = {}
        host.ways[self.link] = self
        self.calls = {name: self._call(name) for name in UNARY}
        self.calls["watch"] = lambda metadata=(): Stream(self, metadata, self._watch)
        self.calls["keep_alive"] = lambda metadata=(): Stream(self, metadata, self._renew)

    def is_ready(self) -> bool:
        return self.link.connected

    @property
    def reason(self) -> str:
        return f"the way is {self.link.mode}"

    async def connect(self, seconds: float) -> bool:
        if self._closed or not self._host.up or self.link.mode == "cut":
            return False
        try:
            await self.process.wait_for(self._handshake(), seconds)
        except (TimeoutError, Broken):
            return False
        self.link.connected = self._host.up and not self._closed
        return self.link.connected

    async def _handshake(self) -> None:
        await self.link.there()
        await self._host.gate.passed()
        await self.link.back()

    def forsake(self) -> None:
        """Its process has died: nothing comes or goes any more."""
        self._closed = True
        self.link.set("cut")

    async def close(self) -> None:
        self.forsake()
        self._host.ways.pop(self.link, None)

    def end_watches(self, refused: Refused) -> None:
        for stream in tuple(self._open):
            stream.finish(RpcError(refused.code, refused.text))

    def _call(self, name: str) -> Callable[..., Any]:
        async def call(request: Any, *, metadata: Any = (), timeout: float | None = None) -> Any:
            if not self.link.connected:
                raise RpcError(Code.UNAVAILABLE, "failed to connect")
            answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            broken = self.link.end()
            broken.add_done_callback(lambda _: _fail(answer, Code.UNAVAILABLE, "the connection was lost"))
            self._network.run(self._exchange(name, request, dict(metadata), answer))
            try:
                return await self.process.wait_for(answer, timeout)
            except TimeoutError:
                raise RpcError(Code.DEADLINE_EXCEEDED, "Deadline Exceeded") from None
            finally:
                broken.cancel()

        return call

    async def _exchange(self, name: str, request: Any, metadata: dict[str, str], answer: asyncio.Future[Any]) -> None:
        """One call, whether or not its caller waits for the answer."""
        try:
            await self.link.there()
            await self._host.gate.passed()
            if not self._host.up:
                raise Broken
            try:
                result = await self._answer(name, request, metadata)
            except Refused as refused:
                await self.link.back()
                _fail(answer, refused.code, refused.text)
                return
            await self.link.back()
        except Broken:
            _fail(answer, Code.UNAVAILABLE, "the connection was lost")
            return
        if not answer.done():
            answer.set_result(result)

    async def _answer(self, name: str, request: Any, metadata: dict[str, str]) -> Any:
        host = self._host
        if host.refusals:
            raise host.refusals.popleft()
        if host.leaderless and metadata.get("hasleader"):
            raise NO_LEADER()
        if self._secured and name != "authenticate" and metadata.get("token") != self._network.token:
            raise STALE()
        if name in REPEATABLE and self.link.twice():
            await self._network.answers.call(name, request)
        result = await self._network.answers.call(name, request)
        await host.gate.passed()
        if self._network.rng.random() < host.forgetful:
            raise TIMED_OUT()
        return result

    async def _watch(self, stream: Stream, request: Any) -> None:
        if self._secured and stream.metadata.get("token") != self._network.token:
            await self.link.back()
            stream.put(pb.WatchResponse(canceled=True, cancel_reason="etcdserver: permission denied"))
            return
        if self._host.leaderless:
            raise NO_LEADER()
        self._open[stream] = None
        try:
            async for response in self._fragments(request.create_request):
                await self._network.clock.sleep(self._network.rng.random() * self._host.lag)
                await self._host.gate.passed()
                await self.link.back()
                stream.put(response)
                if self.link.twice() and not response.fragment and not response.canceled:
                    stream.put(response)
        finally:
            self._open.pop(stream, None)

    async def _fragments(self, request: Any) -> AsyncIterator[Any]:
        """Responses, some of them in pieces: etcd cuts anywhere, in the middle of a commit too."""
        async for response in self._network.answers.watch(request):
            events = list(response.events)
            if len(events) > 1 and request.fragment and self._network.rng.random() < 0.3:
                cut = self._network.rng.randrange(1, len(events))
                yield pb.WatchResponse(header=response.header, events=events[:cut], fragment=True)
                yield pb.WatchResponse(header=response.header, events=events[cut:])
            else:
                yield response
            if events and self._network.rng.random() < 0.05:
                # Progress: nothing more up to here.
                yield pb.WatchResponse(header=response.header)

    async def _renew(self, stream: Stream, request: Any) -> None:
        answer = await self._network.answers.renew(request)
        await self.link.back()
        stream.put(answer)


def _fail(answer: asyncio.Future[Any], code: Any, text: str) -> None:
    if not answer.done():
        answer.set_exception(RpcError(code, text))


class Stream:
    """A two-way call: `serve(stream, request)` answers what is written."""

    def __init__(self, way: Way, metadata: Any, serve: Callable[[Stream, Any], Coroutine[Any, Any, None]]) -> None:
        self.metadata = dict(metadata)
        self._way = way
        self._serve = serve
        self._responses: deque[Any] = deque()
        self._ended = False
        self._error: RpcError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._task: asyncio.Task[Any] | None = None
        self._callbacks: list[Callable[[Stream], Any]] = []
        self._broken = way.link.end()
        self._broken.add_done_callback(self._lost)

    def add_done_callback(self, callback: Callable[[Stream], Any]) -> None:
        self._callbacks.append(callback)

    def write(self, request: Any) -> None:
        if not self._ended:
            self._task = self._way._network.run(self._answer(request))

    async def _answer(self, request: Any) -> None:
        try:
            await self._way.link.there()
            await self._way._host.gate.passed()
            if not self._way._host.up:
                raise Broken
            await self._serve(self, request)
        except Refused as refused:
            self.finish(RpcError(refused.code, refused.text))
        except Broken:
            self.finish(RpcError(Code.UNAVAILABLE, "the connection was lost"))

    async def read(self) -> Any:
        while not self._responses:
            if self._error is not None:
                raise self._error
            if self._ended:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._responses.popleft()

    def put(self, response: Any) -> None:
        if not self._ended:
            self._responses.append(response)
            self._wake()

    def cancel(self) -> None:
        self.finish(None)

    def _lost(self, broken: asyncio.Future[None]) -> None:
        if not broken.cancelled():
            self.finish(RpcError(Code.UNAVAILABLE, "the connection was lost"))

    def finish(self, error: RpcError | None) -> None:
        if self._ended:
            return
        self._ended, self._error = True, error
        self._responses.clear()
        self._broken.cancel()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        for callback in self._callbacks:
            callback(self)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
