"""What comes in: bytes into frames, and blocks of headers together again.

Frames are at most as large as was allowed, a block of headers is bounded in bytes and in frames, and nothing may come
between the frames of one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sampan.aio.grpc import frames
from sampan.aio.grpc.frames import Violation
from sampan.aio.grpc.headers import MOST_BYTES

MOST_PIECES = 16
Handler = Callable[[int, int, bytes], None]
"""Takes a frame's flags, stream and payload."""
OF_CONNECTION = {frames.SETTINGS, frames.PING, frames.GOAWAY}
OF_STREAM = {frames.DATA, frames.HEADERS, frames.RST_STREAM, frames.PUSH_PROMISE, frames.CONTINUATION}


class Arrivals:
    """`handlers` by kind of frame; `headers` takes a stream, its whole block, and whether nothing follows.

    All of them may raise `Violation`, and so does `feed`.
    """

    def __init__(self, handlers: Mapping[int, Handler], headers: Callable[[int, bytes, bool], None]) -> None:
        self._handlers = {**handlers, frames.HEADERS: self._begin, frames.CONTINUATION: self._go_on}
        self._headers = headers
        self._rest = b""
        self._greeted = False
        self._pieces: list[bytes] = []
        self._stream = 0
        """Whose block of headers is not whole."""
        self._last = False

    def feed(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        at, size = 0, len(data)
        while size - at >= frames.HEAD.size:
            head, flags, stream = frames.HEAD.unpack_from(data, at)
            kind, begin = head & 255, at + frames.HEAD.size
            end = begin + (head >> 8)
            if end - begin > frames.LEAST_FRAME or not self._greeted:
                self._check(kind, end - begin)
            if end > size:
                break
            self._frame(kind, flags, stream & frames.MOST_WINDOW, data[begin:end])
            at = end
        self._rest = data[at:]

    def _check(self, kind: int, size: int) -> None:
        if not self._greeted and kind != frames.SETTINGS:
            raise Violation(frames.PROTOCOL_ERROR, "the server does not speak HTTP/2")
        if size > frames.LEAST_FRAME:
            raise Violation(frames.FRAME_SIZE_ERROR, f"a frame of {size} bytes")
        self._greeted = True

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if self._stream and (kind != frames.CONTINUATION or stream != self._stream):
            raise Violation(frames.PROTOCOL_ERROR, "a frame between headers")
        if (kind in OF_CONNECTION and stream) or (kind in OF_STREAM and not stream):
            raise Violation(frames.PROTOCOL_ERROR, f"a frame of kind {kind} of stream {stream}")
        handler = self._handlers.get(kind)
        if handler is not None:
            handler(flags, stream, payload)

    def _begin(self, flags: int, stream: int, payload: bytes) -> None:
        block = frames.content(flags, payload, priority=True)
        last = bool(flags & frames.END_STREAM)
        if flags & frames.END_HEADERS:
            self._headers(stream, block, last)
        else:
            self._stream, self._pieces, self._last = stream, [block], last

    def _go_on(self, flags: int, stream: int, payload: bytes) -> None:
        if not self._stream:
            raise Violation(frames.PROTOCOL_ERROR, "headers go on that never began")
        self._pieces.append(payload)
        if len(self._pieces) > MOST_PIECES or sum(map(len, self._pieces)) > MOST_BYTES:
            raise Violation(frames.ENHANCE_YOUR_CALM, "headers without an end")
        if flags & frames.END_HEADERS:
            block, self._pieces, self._stream = b"".join(self._pieces), [], 0
            self._headers(stream, block, self._last)
