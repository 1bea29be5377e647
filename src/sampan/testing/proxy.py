"""A TCP proxy that can misbehave: what stands between two programs when the network is to fail."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Literal

Mode = Literal["pass", "cut", "hole", "slow"]
"""`cut` refuses and ends connections; a `hole` takes what it is given and says nothing; `slow` delays each piece."""
PIECE = 1 << 16


class Proxy:
    """Listens on a loopback port of its own and passes on to `port`; `delay` is what `slow` means, in seconds."""

    def __init__(self, port: int, *, delay: float = 0.05) -> None:
        self.target = port
        self.port = 0
        self._delay = delay
        self._open = asyncio.Event()
        self._mode: Mode = "pass"
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._open.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self._server.close()
        await self._end_connections()

    async def set(self, mode: Mode) -> None:
        """From now on, for old and new connections alike."""
        self._mode = mode
        if mode == "hole":
            self._open.clear()
        else:
            self._open.set()
        if mode == "cut":
            await self._end_connections()

    async def _end_connections(self) -> None:
        connections = tuple(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a connection is served by a task"
        self._connections.add(task)
        try:
            if self._mode != "cut":
                await self._serve(reader, writer)
        except (OSError, asyncio.CancelledError):
            return
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opening = asyncio.ensure_future(asyncio.open_connection("127.0.0.1", self.target))
        try:
            there_reader, there_writer = await asyncio.shield(opening)
        except asyncio.CancelledError:
            # A connection that was just made would be nobody's.
            (await opening)[1].transport.abort()
            raise
        pumps = [asyncio.ensure_future(self._pump(*ends)) for ends in ((reader, there_writer), (there_reader, writer))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            there_writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(PIECE):
            await self._open.wait()
            if self._mode == "slow":
                await asyncio.sleep(self._delay)
            writer.write(data)
            await writer.drain()


async def started(ports: list[int], stack: contextlib.AsyncExitStack) -> list[Proxy]:
    """A proxy before each port, ended with the stack."""
    proxies = []
    for port in ports:
        proxy = Proxy(port)
        await proxy.start()
        stack.push_async_callback(proxy.close)
        proxies.append(proxy)
    return proxies
