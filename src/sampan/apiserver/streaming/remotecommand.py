"""exec and attach: channels of a WebSocket (`v5.channel.k8s.io`) to streams of SPDY (`v4.channel.k8s.io`).

A message's first byte says which channel the rest is for: 0 input, 1 output, 2 errors, 3 the command's end as a Status,
4 the terminal's size; 255 and a channel ends that channel. Behind, each channel is a stream of its own, opened before
anything is sent. The end comes as a whole on the error stream, and then the kubelet ends the connection.
"""

from __future__ import annotations

from sampan.aio.tunnel import Tunnel
from sampan.apiserver.streaming import spdy, websocket
from sampan.apiserver.streaming.translator import Translator
from sampan.apiserver.streaming.websocket import Piece

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
TYPES = {ERROR: "error", STDIN: "stdin", STDOUT: "stdout", STDERR: "stderr", RESIZE: "resize"}
"""By channel, in the order in which the streams are opened."""
MOST_STATUS_BYTES = 64 * 1024


def channels(*, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> list[int]:
    """Those of what the request asks for, in the order of `TYPES`."""
    given = {ERROR: True, STDIN: stdin, STDOUT: stdout, STDERR: stderr and not tty, RESIZE: tty}
    return [channel for channel in TYPES if given[channel]]


class RemoteCommand(Translator):
    def __init__(self, head: bytes, far: Tunnel, **wanted: bool) -> None:
        super().__init__(head, far)
        self._reader, self._writer = spdy.Reader(), spdy.Writer()
        self._streams = {channel: 2 * at + 1 for at, channel in enumerate(channels(**wanted))}
        self._channels = {stream: channel for channel, stream in self._streams.items()}
        self._channel = -1
        self._status = b""
        self._over = False

    def begin(self) -> None:
        for channel, stream in self._streams.items():
            self._far.receive(self._writer.open(stream, {"streamtype": TYPES[channel]}))
        # An empty message tells the client that all is there.
        first = next((channel for channel in (STDOUT, STDERR) if channel in self._streams), ERROR)
        self.send(bytes([first]))

    # the client's side

    def say(self, piece: Piece) -> None:
        data = piece.data
        if piece.first:
            self._channel = data[0] if data else -1
            data = data[1:]
        if self._channel == CLOSE and data:
            self._pass_on(data[0], b"", fin=True)
        elif data:
            self._pass_on(self._channel, data)

    def _pass_on(self, channel: int, data: bytes, *, fin: bool = False) -> None:
        stream = self._streams.get(channel)
        if stream is not None and channel in (STDIN, RESIZE):
            self._far.receive(spdy.data(stream, data, fin=fin))

    # the kubelet's side

    def hear(self, data: bytes) -> None:
        try:
            for frame in self._reader.feed(data):
                self._frame(frame)
        except spdy.BadFrame:
            self.end(websocket.INTERNAL_ERROR)

    def ended(self) -> int:
        return websocket.NORMAL if self._over else websocket.INTERNAL_ERROR

    def _frame(self, frame: spdy.Frame) -> None:
        if frame.type == spdy.PING:
            self._far.receive(spdy.pong(frame))
        channel = self._channels.get(frame.stream)
        if channel is None or frame.type not in (0, spdy.RST_STREAM):
            return
        if channel == ERROR:
            self._told(frame)
        elif frame.type == 0 and frame.payload:
            self.send(bytes([channel]) + frame.payload)

    def _told(self, frame: spdy.Frame) -> None:
        """How the command ended, in one message."""
        if frame.type == 0:
            self._status = (self._status + frame.payload)[:MOST_STATUS_BYTES]
        if (frame.fin or frame.type) and self._status:
            self.send(bytes([ERROR]) + self._status)
            self._status, self._over = b"", True
