"""What goes out: frames of one turn of the event loop in one write, and data as far as the server's windows allow.

A call's data that does not fit waits with the call, and the calls that wait have turns. When the server does not read,
what is to be sent waits here, up to a limit past which the connection is of no use.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from sampan.aio.grpc import frames
from sampan.aio.grpc.call import Call

HIGH_WATER_BYTES = 1 << 20
MOST_WAITING = 20_000
"""Frames kept for a server that does not read."""


class Sender:
    """`stuck` is called when more waits than is kept."""

    def __init__(self, transport: asyncio.Transport, stuck: Callable[[], None]) -> None:
        transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        self._stuck = stuck
        self._transport = transport
        self._soon = asyncio.get_running_loop().call_soon
        self._frames: list[bytes] = []
        self._scheduled = False
        self._paused = False
        self._waiting: deque[Call] = deque()
        self.window = self.initial = frames.FIRST_WINDOW
        """What the server takes, of all calls together, and of a new one."""
        self.most_frame = frames.LEAST_FRAME

    def frame(self, frame: bytes) -> None:
        """Sends it at the end of this turn."""
        self._frames.append(frame)
        if not self._scheduled:
            self._scheduled = True
            self._soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        if not self._paused:
            self._write()
        elif len(self._frames) > MOST_WAITING:
            self._stuck()

    def _write(self) -> None:
        sent, self._frames = self._frames, []
        if sent and not self._transport.is_closing():
            self._transport.write(b"".join(sent))

    def end(self, frame: bytes) -> None:
        """Sends the last one at once, if the server reads."""
        self._frames.append(frame)
        if not self._paused:
            self._write()

    def data(self, call: Call, payload: bytes, *, last: bool) -> None:
        """Sends it, now or when the server takes it."""
        size = len(payload)
        call.sent_all = last
        if not call.unsent and size <= call.window and size <= self.window and size <= self.most_frame:
            self._spend(call, size)
            self.frame(frames.frame(frames.DATA, frames.END_STREAM if last else 0, call.id, payload))
            return
        if not call.unsent:
            self._waiting.append(call)
        call.unsent = memoryview(bytes(call.unsent) + payload)
        self.go_on()

    def _spend(self, call: Call, size: int) -> None:
        call.window -= size
        self.window -= size

    def go_on(self) -> None:
        """Sends what the windows allow now, a frame of each call in turn."""
        stuck = 0
        while stuck < len(self._waiting) and self.window > 0 and not self._paused:
            call = self._waiting.popleft()
            size = min(len(call.unsent), call.window, self.window, self.most_frame)
            if size > 0:
                self._piece(call, size)
            stuck = 0 if size > 0 else stuck + 1
            if call.unsent:
                self._waiting.append(call)

    def _piece(self, call: Call, size: int) -> None:
        piece, call.unsent = call.unsent[:size], call.unsent[size:]
        self._spend(call, size)
        end = frames.END_STREAM if call.sent_all and not call.unsent else 0
        self.frame(frames.frame(frames.DATA, end, call.id, bytes(piece)))

    def forget(self, call: Call) -> bool:
        """The call has ended; whether the server still waits for more of it."""
        open_end = bool(call.unsent) or not call.sent_all
        if call.unsent:
            call.unsent = b""
            self._waiting.remove(call)
        return open_end

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self.go_on()
        self._flush()
