"""One HTTP/2 connection (RFC 9113) as its client, and what the server's frames mean for the calls on it.

It is good for new calls (`usable`) from the server's first settings until it leaves, is lost, or has no numbers left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from sampan.aio.grpc import frames, headers
from sampan.aio.grpc.arrivals import Arrivals
from sampan.aio.grpc.call import WINDOW
from sampan.aio.grpc.calls import Calls
from sampan.aio.grpc.errors import Code, RpcError
from sampan.aio.grpc.frames import Violation
from sampan.aio.grpc.keepalive import Duty, KeepAlive
from sampan.aio.grpc.sending import Sender

SETTINGS = {frames.HEADER_TABLE_SIZE: 0, frames.ENABLE_PUSH: 0, frames.INITIAL_WINDOW_SIZE: WINDOW}
CONNECTION_WINDOW = frames.MOST_WINDOW
"""Only each call's own window is to hold the server back: one slow reader must not stop the others."""
PING = bytes(8)


class Connection(asyncio.Protocol):
    """`now()` is the clock's; `ready` is done when the server has said that it speaks HTTP/2, or is lost."""

    calls: Calls

    def __init__(self, now: Callable[[], float]) -> None:
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()
        self._now = now
        self._allowance = CONNECTION_WINDOW
        self._alive = KeepAlive(now())
        self._arrivals = Arrivals(
            {
                frames.DATA: self._data,
                frames.RST_STREAM: self._reset,
                frames.SETTINGS: self._settings,
                frames.PUSH_PROMISE: self._push,
                frames.PING: self._ping,
                frames.GOAWAY: self._goaway,
                frames.WINDOW_UPDATE: self._window_update,
            },
            self._headers,
        )

    @property
    def usable(self) -> bool:
        return self.ready.done() and not self.calls.refusal

    # The transport's side

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._sender = Sender(transport, lambda: self.break_off("the server does not read"))
        self.calls = Calls(self._sender, transport.close)
        self._sender.frame(frames.PREFACE + frames.settings(SETTINGS))
        self._sender.frame(frames.window_update(0, CONNECTION_WINDOW - frames.FIRST_WINDOW))

    def data_received(self, data: bytes) -> None:
        self._alive.heard = True
        try:
            self._arrivals.feed(data)
        except Violation as violation:
            self.break_off(f"the server broke the protocol: {violation}", violation.code)

    def pause_writing(self) -> None:
        self._sender.pause()

    def resume_writing(self) -> None:
        self._sender.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(f"the connection was lost: {exc}" if exc else "the server ended the connection")
        if not self.lost.done():
            self.lost.set_result(None)

    def break_off(self, reason: str, code: int = frames.NO_ERROR) -> None:
        """Ends the connection and all its calls; what is not sent by then stays unsent."""
        if not self._transport.is_closing():
            self._sender.end(frames.goaway(code))
            self._transport.abort()
        self._end(reason)

    def _end(self, reason: str) -> None:
        self.calls.lose(reason)
        if not self.ready.done():
            self.ready.set_result(None)

    def look(self) -> None:
        """To be called several times a second: ends calls whose time is up, and a connection that is dead."""
        now = self._now()
        self.calls.expire(now)
        duty = self._alive.look(now, busy=len(self.calls) > 0)
        if duty is Duty.PING:
            self._sender.frame(frames.frame(frames.PING, 0, 0, PING))
        elif duty is Duty.GIVE_UP:
            self.break_off("the server has fallen silent")

    # The server's frames

    def _data(self, flags: int, stream: int, payload: bytes) -> None:
        self._allow(len(payload))
        call = self.calls.get(stream)
        if call is None:
            return
        call.allowance -= len(payload)
        if call.allowance < 0:
            raise Violation(frames.FLOW_CONTROL_ERROR, "more was sent than there is room for")
        if not call.headed:
            raise Violation(frames.PROTOCOL_ERROR, "an answer without headers")
        content = frames.content(flags, payload) if flags & frames.PADDED else payload
        try:
            waits = len(content) - call.data(content)
        except RpcError as error:
            self.calls.fail(call, error)
            return
        self.calls.taken(call, len(payload) - waits)
        if flags & frames.END_STREAM:
            self.calls.finish(call, RpcError(Code.UNKNOWN, "the answer ended without a status"))

    def _allow(self, size: int) -> None:
        """Lets the server send as much again, of all calls together."""
        self._allowance -= size
        if self._allowance < CONNECTION_WINDOW // 2:
            self._sender.frame(frames.window_update(0, CONNECTION_WINDOW - self._allowance))
            self._allowance = CONNECTION_WINDOW

    def _headers(self, stream: int, block: bytes, last: bool) -> None:
        head = headers.response(block)
        call = self.calls.get(stream)
        if call is None or (head.informational and not last):
            return
        if last:
            self.calls.finish(call, head.error())
        elif call.headed or not head.begins:
            self.calls.fail(call, head.error() or RpcError(Code.INTERNAL, "headers in the middle of an answer"))
        else:
            call.headed = True

    def _reset(self, flags: int, stream: int, payload: bytes) -> None:
        code = frames.number(payload)
        call = self.calls.get(stream)
        if call is not None:
            self.calls.finish(call, _was_reset(code))

    def _settings(self, flags: int, stream: int, payload: bytes) -> None:
        if flags & frames.ACK:
            return
        for name, value in frames.setting_pairs(payload):
            self._set(name, value)
        self._sender.frame(frames.frame(frames.SETTINGS, frames.ACK, 0))
        if not self.ready.done():
            self.ready.set_result(None)
        self._sender.go_on()

    def _set(self, name: int, value: int) -> None:
        if name == frames.MAX_CONCURRENT_STREAMS:
            self.calls.allow(value)
        elif name == frames.MAX_FRAME_SIZE:
            if not frames.LEAST_FRAME <= value <= frames.MOST_FRAME:
                raise Violation(frames.PROTOCOL_ERROR, f"{value} bytes as the largest frame")
            self._sender.most_frame = value
        elif name == frames.INITIAL_WINDOW_SIZE:
            if value > frames.MOST_WINDOW:
                raise Violation(frames.FLOW_CONTROL_ERROR, f"a window of {value} bytes")
            self.calls.widen(value - self._sender.initial)
            self._sender.initial = value

    def _push(self, flags: int, stream: int, payload: bytes) -> None:
        raise Violation(frames.PROTOCOL_ERROR, "a push, which was forbidden")

    def _ping(self, flags: int, stream: int, payload: bytes) -> None:
        if len(payload) != len(PING):
            raise Violation(frames.FRAME_SIZE_ERROR, "a ping of a strange size")
        if not flags & frames.ACK:
            self._sender.frame(frames.frame(frames.PING, frames.ACK, 0, payload))

    def _goaway(self, flags: int, stream: int, payload: bytes) -> None:
        if len(payload) < 8:
            raise Violation(frames.FRAME_SIZE_ERROR, "a good-bye of a strange size")
        last, code = frames.number(payload[:4]) & frames.MOST_WINDOW, frames.number(payload[4:8])
        self.calls.refuse(f"the server is leaving (code {code})", last=last)

    def _window_update(self, flags: int, stream: int, payload: bytes) -> None:
        increment = frames.number(payload) & frames.MOST_WINDOW
        if not increment:
            raise Violation(frames.PROTOCOL_ERROR, "a window that opens by nothing")
        if not stream:
            self._sender.window = _wider(self._sender.window, increment)
        elif (call := self.calls.get(stream)) is not None:
            call.window = _wider(call.window, increment)
        self._sender.go_on()


def _wider(window: int, increment: int) -> int:
    if window + increment > frames.MOST_WINDOW:
        raise Violation(frames.FLOW_CONTROL_ERROR, "a window that is too large")
    return window + increment


def _was_reset(code: int) -> RpcError:
    if code == frames.REFUSED_STREAM:
        return RpcError(Code.UNAVAILABLE, "the server takes no calls now", untouched=True)
    return RpcError(Code.UNAVAILABLE, f"the server broke the call off (code {code})")
