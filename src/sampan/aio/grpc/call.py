"""One call: what has come of its answer, and what is left to send.

The server may send `WINDOW` bytes more than have been taken. What belongs to a message that is not whole counts as
taken, as the size of messages is bounded by itself; a stream's whole messages count when they are read, so that a slow
reader is not sent all there is.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any

from sampan.aio.grpc.errors import Code, RpcError, TooLarge

WINDOW = 1 << 20
PREFIX = 5
"""Bytes before a message: whether it is compressed, and its length."""


def prefixed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


class Call(ABC):
    """`most` is the size of the largest message taken, in bytes; `deadline` is by the clock of the channel."""

    __slots__ = ("_part", "allowance", "deadline", "headed", "id", "most", "owed", "sent_all", "unsent", "window")

    def __init__(self, *, most: int, deadline: float) -> None:
        self.id = 0
        """The stream's, once it has been opened."""
        self.most, self.deadline = most, deadline
        self.window = 0
        """How much the server takes."""
        self.unsent: bytes | memoryview = b""
        self.sent_all = False
        self.headed = False
        """Whether the answer has begun."""
        self.allowance, self.owed = WINDOW, 0
        self._part = bytearray()

    def data(self, payload: bytes) -> int:
        """Takes a piece of the answer; gives how much of it need not wait for a reader. Raises `RpcError`."""
        if not self._part and len(payload) >= PREFIX and self._size(payload) == len(payload) - PREFIX:
            return self.messages([payload[PREFIX:]], len(payload))
        self._part += payload
        whole = self._whole()
        return self.messages(whole, len(payload)) if whole else len(payload)

    def _whole(self) -> list[bytes]:
        found, at, part = [], 0, self._part
        while len(part) - at >= PREFIX and len(part) - at - PREFIX >= (size := self._size(part[at : at + PREFIX])):
            found.append(bytes(part[at + PREFIX : at + PREFIX + size]))
            at += PREFIX + size
        del part[:at]
        return found

    def _size(self, prefix: bytes | bytearray) -> int:
        if prefix[0]:
            raise RpcError(Code.INTERNAL, "the answer is compressed, which was not asked for")
        size = int.from_bytes(prefix[1:PREFIX], "big")
        if size > self.most:
            raise TooLarge(size, self.most)
        return size

    @abstractmethod
    def messages(self, found: list[bytes], size: int) -> int:
        """Takes messages that came in a piece of this size; gives how much of it need not wait for a reader."""

    @abstractmethod
    def end(self, error: RpcError | None) -> None:
        """The call has ended; `error` None: well. Nothing of it comes after that."""


class Unary(Call):
    """A call with one answer, which `answer` becomes."""

    __slots__ = ("_message", "answer")

    def __init__(self, answer: asyncio.Future[bytes], *, most: int, deadline: float) -> None:
        super().__init__(most=most, deadline=deadline)
        self.answer = answer
        self._message: bytes | None = None

    def messages(self, found: list[bytes], size: int) -> int:
        if self._message is not None or len(found) > 1:
            raise RpcError(Code.INTERNAL, "several answers to a call that has one")
        self._message = found[0]
        return size

    def end(self, error: RpcError | None) -> None:
        if self.answer.done():
            return
        if error is None and (self._message is None or self._part):
            error = RpcError(Code.INTERNAL, "the answer ended before its message")
        if error is not None:
            self.answer.set_exception(error)
        else:
            assert self._message is not None
            self.answer.set_result(self._message)


class Streaming(Call):
    """A two-way call. `send` says a message, `taken` tells of bytes read, `leave` ends it from here."""

    __slots__ = ("_callbacks", "_ended", "_error", "_leave", "_queue", "_send", "_taken", "_waiter")

    def __init__(
        self,
        *,
        most: int,
        send: Callable[[Streaming, bytes], None],
        taken: Callable[[Streaming, int], None],
        leave: Callable[[Streaming], None],
    ) -> None:
        super().__init__(most=most, deadline=float("inf"))
        self._send, self._taken, self._leave = send, taken, leave
        self._queue: deque[tuple[bytes, int]] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._callbacks: list[Callable[[Streaming], Any]] = []
        self._ended = False
        self._error: RpcError | None = None

    def write(self, message: bytes) -> None:
        """Nothing comes of it when the call has ended, which reading tells."""
        if not self._ended:
            self._send(self, message)

    async def read(self) -> bytes | None:
        """The next message; None when the call has ended, well or from here. Raises `RpcError` when it failed."""
        while not self._queue:
            if self._error is not None:
                raise self._error
            if self._ended:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        message, size = self._queue.popleft()
        if size and not self._ended:
            self._taken(self, size)
        return message

    def cancel(self) -> None:
        """Ends the call: what has not been read is of no interest."""
        if not self._ended:
            self._leave(self)
            self.end(None)
        self._queue.clear()
        self._error = None

    def add_done_callback(self, callback: Callable[[Streaming], Any]) -> None:
        self._callbacks.append(callback)

    def messages(self, found: list[bytes], size: int) -> int:
        """The last of them answers for all."""
        self._queue.extend((message, 0) for message in found[:-1])
        self._queue.append((found[-1], size))
        self._wake()
        return 0

    def end(self, error: RpcError | None) -> None:
        if self._ended:
            return
        self._ended, self._error = True, error
        for callback in self._callbacks:
            callback(self)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
