"""A TCP proxy that can misbehave: what stands between two programs when the network is to fail."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Literal

Mode = Literal["pass", "cut", "hole", "slow"]
"""`cut` refuses and ends connections; a `hole` takes what it is given and says nothing; `slow` delays each piece."""


class Proxy:
    """Listens on a loopback port of its own and passes on to `port`; `delay` is what `slow` means, in seconds."""

    def __init__(self, port: int, *, delay: float = 0.05) -> None:
        self.target = port
        self.port = 0
        self.mode: Mode = "pass"
        self.delay = delay
        self.ends: set[End] = set()
        self.connecting: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Accepted(self), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self.mode = "cut"
        self._server.close()
        # What was accepted in this moment has its turn, and is ended too.
        await asyncio.sleep(0)
        for task in tuple(self.connecting):
            task.cancel()
        await asyncio.gather(*self.connecting, return_exceptions=True)
        while self.ends:
            self._end_connections()
            await asyncio.sleep(0)

    async def set(self, mode: Mode) -> None:
        """From now on, for old and new connections alike."""
        self.mode = mode
        if mode == "cut":
            self._end_connections()
        for end in tuple(self.ends):
            end.pass_on()

    def _end_connections(self) -> None:
        for end in tuple(self.ends):
            end.transport.abort()


class End(asyncio.Protocol):
    """One of the two connections; what it receives goes to `other`, in order, once that is there."""

    transport: asyncio.Transport

    def __init__(self, proxy: Proxy, other: End | None = None) -> None:
        self.proxy = proxy
        self.other = other
        self._received: deque[bytes] = deque()
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "TCP gives such"
        self.transport = transport
        self.proxy.ends.add(self)
        if self.proxy.mode == "cut":
            transport.abort()

    def data_received(self, data: bytes) -> None:
        self._received.append(data)
        self.pass_on()

    def pass_on(self) -> None:
        """Sends what has been received, or has it sent later."""
        if self.proxy.mode == "hole" or self.other is None:
            return
        loop = asyncio.get_running_loop()
        self._due = max(self._due, loop.time() + (self.proxy.delay if self.proxy.mode == "slow" else 0))
        if self._due <= loop.time():
            self._send()
        else:
            loop.call_at(self._due, self._send)

    def _send(self) -> None:
        while self._received and self.other is not None and self.proxy.mode != "hole":
            data = self._received.popleft()
            if not self.other.transport.is_closing():
                self.other.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.proxy.ends.discard(self)
        if self.other is not None:
            self._send()
            self.other.transport.close()


class Accepted(End):
    """The end that somebody made to us; it brings about the other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.proxy.mode != "cut":
            task = asyncio.get_running_loop().create_task(self._connect())
            self.proxy.connecting.add(task)
            task.add_done_callback(self.proxy.connecting.discard)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, there = await loop.create_connection(lambda: End(self.proxy, self), "127.0.0.1", self.proxy.target)
        except OSError:
            self.transport.abort()
            return
        if self.transport.is_closing():
            there.transport.abort()
            return
        self.other = there
        self.pass_on()


async def started(ports: list[int], stack: contextlib.AsyncExitStack) -> list[Proxy]:
    """A proxy before each port, ended with the stack."""
    proxies = []
    for port in ports:
        proxy = Proxy(port)
        await proxy.start()
        stack.push_async_callback(proxy.close)
        proxies.append(proxy)
    return proxies
