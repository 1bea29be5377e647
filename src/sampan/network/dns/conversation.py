"""One TCP connection: answers go out as soon as they are known, in whatever order the queries came.

A client tells answers by their identifiers, so a name that is slow to find out holds up nobody's next query (RFC 7766
section 6.2.1.1). How many may be under way is bounded: with so many, no more is read. A client that says nothing for a
while, or does not take what it is sent, is let go; what it asked before is answered first (section 6.2.3).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable

from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner

IDLE_SECONDS = 10.0
PIPELINED = 64
"""Queries of one connection under way."""

Later = Callable[[], Awaitable[bytes]]
Ask = Callable[[bytes], bytes | Later | None]
"""A query's answer, or what finds it out, or None to hang up."""


class Conversation:
    def __init__(self, *, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, clock: Clock, ask: Ask) -> None:
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._ask = ask
        self._room = asyncio.Semaphore(PIPELINED)

    async def hold(self) -> None:
        """Until one of the two hangs up; closes the connection."""
        try:
            async with TaskOwner("dns-connection") as owner:
                while (data := await self._next()) and await self._take(data, owner):
                    pass
                await owner.wait()
            self._writer.close()
            await self._clock.wait_for(self._writer.wait_closed(), IDLE_SECONDS)
        except (OSError, TimeoutError):
            pass
        finally:
            # What is not taken by now never will be; closing would wait for it.
            self._writer.transport.abort()

    async def _next(self) -> bytes:
        """The next query; b"" when none comes."""
        try:
            length = struct.unpack(">H", await self._read(2))[0]
            return await self._read(length)
        except (TimeoutError, asyncio.IncompleteReadError):
            return b""

    async def _read(self, count: int) -> bytes:
        return await self._clock.wait_for(self._reader.readexactly(count), IDLE_SECONDS)

    async def _take(self, data: bytes, owner: TaskOwner) -> bool:
        """False to hang up."""
        await self._clock.wait_for(self._room.acquire(), IDLE_SECONDS)
        answer = self._ask(data)
        if callable(answer):
            later = answer
            owner.start(lambda: self._later(later), name="query")
            return True
        self._room.release()
        if answer is not None:
            await self._send(answer)
        return answer is not None

    async def _later(self, later: Later) -> None:
        try:
            await self._send(await later())
        except (OSError, TimeoutError):
            self._writer.transport.abort()
        finally:
            self._room.release()

    async def _send(self, answer: bytes) -> None:
        self._writer.write(struct.pack(">H", len(answer)) + answer)
        await self._clock.wait_for(self._writer.drain(), IDLE_SECONDS)
