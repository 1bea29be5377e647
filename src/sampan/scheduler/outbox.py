"""Writes on their way to the API server: so many at once, the rest in line.

The decision runs far ahead of the network; `room` holds it back when the line grows long, so that memory stays bounded
and decisions are made on fresh knowledge.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from sampan.aio.tasks import TaskOwner

Write = Callable[[], Awaitable[Any]]


class Outbox:
    """`width` writes run at once; the line is long at `length`."""

    def __init__(self, name: str, *, width: int, length: int) -> None:
        self._name = name
        self._width = width
        self._length = length
        self._line: deque[Write] = deque()
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._busy = 0

    def start(self, owner: TaskOwner) -> None:
        for number in range(self._width):
            owner.start(self._serve, name=f"{self._name} {number}")

    def put(self, write: Write) -> None:
        """Adds a write, which must deal with its own errors."""
        self._line.append(write)
        self._work.set()
        if len(self._line) >= self._length:
            self._room.clear()

    @property
    def full(self) -> bool:
        return not self._room.is_set()

    async def room(self) -> None:
        """Returns when the line is not long."""
        await self._room.wait()

    def statistics(self) -> dict[str, int]:
        return {"waiting": len(self._line), "running": self._busy}

    async def _serve(self) -> None:
        while True:
            while not self._line:
                self._work.clear()
                await self._work.wait()
            write = self._line.popleft()
            if len(self._line) < self._length // 2:
                self._room.set()
            self._busy += 1
            try:
                await write()
            finally:
                self._busy -= 1
