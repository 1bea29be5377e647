"""The writer in a process of its own.

A thread that writes has to take the interpreter's lock some seven times a group, and each time either it or the event
loop waits for the other: of 300 µs that a create cost, 100 went there. A process costs one write to a socket and one
read; and it is small, because it holds nothing but SQLite.

The process ends with its socket, so it cannot outlive this one for longer than what it is writing takes; as long as it
lives it holds the file's lock too, so that nobody reads the file before that is done.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio.subprocess import DEVNULL
from collections import deque
from pathlib import Path
from typing import Any

from sampan.store.errors import StoreError, Unavailable
from sampan.store.sqlite import schema
from sampan.store.sqlite.worker import Answer, into
from sampan.store.sqlite.writer import LENGTH, frame, unframed

MODULE = "sampan.store.sqlite.writer"


class WriterProcess(asyncio.Protocol):
    """Does commands of `writer.COMMANDS` in call order; belongs to the event loop that starts it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: deque[Answer] = deque()
        self._received = bytearray()
        self._process: asyncio.subprocess.Process | None = None
        self._transport: Any = None

    async def start(self, lock: int) -> None:
        """`lock` is the descriptor of the file's lock. The file must be in form before the first command."""
        ours, theirs = socket.socketpair()
        with theirs:
            command = (sys.executable, "-P", "-m", MODULE, str(theirs.fileno()), str(self._path))
            self._process = await asyncio.create_subprocess_exec(
                *command, pass_fds=(theirs.fileno(), lock), stdin=DEVNULL, stdout=DEVNULL
            )
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=ours)

    def submit(self, name: str, arguments: tuple[Any, ...], answer: Answer) -> None:
        """Does the command, then `answer(error, result)` on the loop."""
        if self._transport is None:
            answer(self._gone(), None)
            return
        self._waiting.append(answer)
        self._transport.write(frame((name, arguments)))

    async def run(self, name: str, *arguments: Any) -> Any:
        """The command's result. Raises StoreError."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.submit(name, arguments, into(future))
        return await future

    async def stop(self) -> None:
        """Waits until the process has done what it was given, closed the file and ended."""
        if self._transport is not None:
            self._transport.close()
        if self._process is not None:
            await self._process.wait()

    def _gone(self) -> StoreError:
        return Unavailable(f"the process that writes {self._path} has ended: start the server again")

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        received = self._received
        received += data
        while len(received) >= LENGTH.size:
            end = LENGTH.size + LENGTH.unpack_from(received)[0]
            if len(received) < end:
                return
            failure, result = unframed(received[LENGTH.size : end])
            del received[:end]
            error = None if failure is None else schema.meant(failure[0], failure[1], self._path)
            self._waiting.popleft()(error, result)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        while self._waiting:
            self._waiting.popleft()(self._gone(), None)
