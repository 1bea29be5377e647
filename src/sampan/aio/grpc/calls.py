"""The calls of one connection: those open, by the number of their stream, and those that wait to be.

A server says how many may be open at once. When it leaves, or its connection is lost, calls end with what is known of
them: whether it can have acted on them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from sampan.aio.grpc import frames
from sampan.aio.grpc.call import WINDOW, Call
from sampan.aio.grpc.errors import Code, RpcError
from sampan.aio.grpc.frames import Violation
from sampan.aio.grpc.sending import Sender

LAST_STREAM = frames.MOST_WINDOW


class Waiting:
    """A call yet to be opened: its headers, and what it has said so far."""

    __slots__ = ("block", "call", "last", "message")

    def __init__(self, call: Call, block: bytes, message: bytes, last: bool) -> None:
        self.call, self.block, self.message, self.last = call, block, message, last


class Calls:
    """`idle` is called when new calls are no longer taken and the last has ended."""

    def __init__(self, sender: Sender, idle: Callable[[], None]) -> None:
        self.most = 1 << 31
        self.refusal = ""
        """Why there are no new calls; empty: there may be."""
        self._sender = sender
        self._idle = idle
        self._open: dict[int, Call] = {}
        self._waiting: deque[Waiting] = deque()
        self._next_id = 1

    def __len__(self) -> int:
        return len(self._open)

    def get(self, stream: int) -> Call | None:
        """None: it has ended here already. Raises `Violation` for one that never began."""
        call = self._open.get(stream)
        if call is None and (stream >= self._next_id or not stream & 1):
            raise Violation(frames.PROTOCOL_ERROR, f"a frame of stream {stream}, which was never opened")
        return call

    # From here

    def begin(self, call: Call, block: bytes, message: bytes, *, last: bool) -> None:
        """Opens a call with its headers and, if not empty, the first of what it says."""
        if self.refusal:
            call.end(RpcError(Code.UNAVAILABLE, self.refusal, untouched=True))
        elif len(self._open) >= self.most:
            self._waiting.append(Waiting(call, block, message, last))
        else:
            self._begin(call, block, message, last)

    def _begin(self, call: Call, block: bytes, message: bytes, last: bool) -> None:
        sender = self._sender
        call.id, call.window = self._next_id, sender.initial
        self._open[call.id] = call
        self._next_id += 2
        sender.frame(frames.headers(call.id, block, sender.most_frame))
        if message:
            sender.data(call, message, last=last)
        if self._next_id > LAST_STREAM:
            self.refuse("all numbers of streams have been used")

    def send(self, call: Call, message: bytes) -> None:
        """More of what an open call says."""
        if call.id:
            self._sender.data(call, message, last=False)
            return
        for waiting in self._waiting:
            if waiting.call is call:
                waiting.message += message

    def leave(self, call: Call) -> None:
        """The answer is no longer of interest."""
        if self._open.pop(call.id, None) is None:
            self._waiting = deque(waiting for waiting in self._waiting if waiting.call is not call)
            return
        self._sender.forget(call)
        self._sender.frame(frames.reset(call.id, frames.CANCEL))
        self._next()

    def taken(self, call: Call, size: int) -> None:
        """So much of what came has been read: the server may send as much again."""
        call.owed += size
        if call.owed >= WINDOW // 2 and call.id in self._open:
            self._sender.frame(frames.window_update(call.id, call.owed))
            call.allowance += call.owed
            call.owed = 0

    def expire(self, now: float) -> None:
        """Ends the calls whose time is up."""
        for call in [call for call in self._open.values() if call.deadline <= now]:
            self.fail(call, RpcError(Code.DEADLINE_EXCEEDED, "no answer in time"))
        for waiting in [waiting for waiting in self._waiting if waiting.call.deadline <= now]:
            self.fail(waiting.call, RpcError(Code.DEADLINE_EXCEEDED, "too many calls before it", untouched=True))

    # From the server

    def finish(self, call: Call, error: RpcError | None) -> None:
        """The server has said all that it says."""
        del self._open[call.id]
        if self._sender.forget(call):
            self._sender.frame(frames.reset(call.id, frames.NO_ERROR))
        call.end(error)
        self._next()

    def fail(self, call: Call, error: RpcError) -> None:
        """What the server says to this call is of no use."""
        self.leave(call)
        call.end(error)

    def allow(self, most: int) -> None:
        """So many may be open at once."""
        self.most = most
        self._next()

    def widen(self, change: int) -> None:
        """The server takes so much more, or less, of every call."""
        for call in self._open.values():
            call.window += change

    def refuse(self, reason: str, *, last: int = LAST_STREAM) -> None:
        """No new calls from here on; streams up to `last` go on, and the server does not act on others."""
        self.refusal = self.refusal or reason
        error = RpcError(Code.UNAVAILABLE, reason, untouched=True)
        waiting, self._waiting = self._waiting, deque()
        for each in waiting:
            each.call.end(error)
        for call in [call for number, call in self._open.items() if number > last]:
            del self._open[call.id]
            self._sender.forget(call)
            call.end(error)
        self._next()

    def lose(self, reason: str) -> None:
        """The connection is no more."""
        calls, self._open = list(self._open.values()), {}
        self.refuse(reason)
        for call in calls:
            call.end(RpcError(Code.UNAVAILABLE, reason))

    def _next(self) -> None:
        while self._waiting and len(self._open) < self.most:
            waiting = self._waiting.popleft()
            self._begin(waiting.call, waiting.block, waiting.message, waiting.last)
        if self.refusal and not self._open:
            self._idle()
