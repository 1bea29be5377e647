"""The way to one server: connects when told to, and has the connection in use and those that are ending."""

from __future__ import annotations

import asyncio
import ssl

from sampan.aio.clock import Clock
from sampan.aio.grpc import headers
from sampan.aio.grpc.call import Streaming, Unary, prefixed
from sampan.aio.grpc.connection import Connection
from sampan.aio.grpc.errors import Code, RpcError
from sampan.aio.grpc.headers import Metadata
from sampan.aio.tasks import TaskOwner

LOOK_SECONDS = 0.2
"""How late the end of a call's time may be noticed."""
MOST_BYTES = 64 << 20
CLOSED = "the channel is closed"


class Channel:
    """`tls` None: in the clear. Messages of more than `most` bytes are refused."""

    def __init__(
        self, host: str, port: int, *, tls: ssl.SSLContext | None, clock: Clock, most: int = MOST_BYTES
    ) -> None:
        self.reason = "not connected yet"
        """Why there is no connection."""
        self._host, self._port, self._tls = host, port, tls
        self._authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._clock = clock
        self._most = most
        self._connection: Connection | None = None
        self._all: set[Connection] = set()
        self._tasks = TaskOwner(f"grpc/{self._authority}")
        self._closed = False

    @property
    def ready(self) -> bool:
        return self._connection is not None and self._connection.usable

    async def connect(self, seconds: float) -> bool:
        """Whether there is a connection, after at most `seconds`; `reason` says why not."""
        if self.ready:
            return True
        try:
            self._connection = await self._clock.wait_for(self._connect(), seconds)
        except TimeoutError:
            self.reason = f"no answer within {seconds:g} s"
        except (OSError, ssl.SSLError, RpcError) as error:
            self.reason = str(error)
        return self.ready

    async def _connect(self) -> Connection:
        if self._closed:
            raise RpcError(Code.UNAVAILABLE, CLOSED)
        connection = Connection(self._clock.monotonic)
        name = self._host if self._tls else None
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: connection, self._host, self._port, ssl=self._tls, server_hostname=name)
        self._all.add(connection)
        connection.lost.add_done_callback(lambda _: self._all.discard(connection))
        try:
            await self._greeted(connection)
        except BaseException:
            connection.break_off("given up")
            raise
        self._tasks.start(lambda: self._look_after(connection), name="connection")
        return connection

    async def _greeted(self, connection: Connection) -> None:
        await asyncio.shield(connection.ready)
        if not connection.usable:
            raise RpcError(Code.UNAVAILABLE, connection.calls.refusal)
        if self._closed:
            raise RpcError(Code.UNAVAILABLE, CLOSED)

    async def _look_after(self, connection: Connection) -> None:
        while not connection.lost.done():
            await self._clock.sleep(LOOK_SECONDS)
            connection.look()

    async def unary(self, path: str, message: bytes, *, metadata: Metadata = (), seconds: float) -> bytes:
        """The answer to one message. Raises `RpcError`."""
        connection = self._usable()
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        call = Unary(answer, most=self._most, deadline=self._clock.monotonic() + seconds)
        connection.calls.begin(call, self._block(path, metadata), prefixed(message), last=True)
        try:
            return await answer
        except asyncio.CancelledError:
            connection.calls.leave(call)
            raise

    def stream(self, path: str, *, metadata: Metadata = ()) -> Streaming:
        """A two-way call. Raises `RpcError`."""
        calls = self._usable().calls
        call = Streaming(
            most=self._most,
            send=lambda call, message: calls.send(call, prefixed(message)),
            taken=calls.taken,
            leave=calls.leave,
        )
        calls.begin(call, self._block(path, metadata), b"", last=False)
        return call

    def _usable(self) -> Connection:
        if self._connection is None or not self._connection.usable:
            raise RpcError(Code.UNAVAILABLE, CLOSED if self._closed else self.reason, untouched=True)
        return self._connection

    def _block(self, path: str, metadata: Metadata) -> bytes:
        return headers.request(path, self._authority, self._tls is not None, metadata)

    async def close(self) -> None:
        self._closed = True
        await self._tasks.close()
        for connection in tuple(self._all):
            connection.break_off(CLOSED)
            await connection.lost
