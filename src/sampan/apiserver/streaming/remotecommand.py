"""exec and attach: channels of a WebSocket (`v5.channel.k8s.io`) to streams of SPDY (`v4.channel.k8s.io`).

A message's first byte says which channel the rest is for: 0 input, 1 output, 2 errors, 3 the command's end as a Status,
4 the terminal's size; 255 and a channel ends that channel. Behind, each channel is a stream of its own, opened before
anything is sent. The end comes as a whole on the error stream, and then the kubelet ends the connection.
"""

from __future__ import annotations

from sampan.aio.tunnel import Near, Takeover, Tunnel
from sampan.apiserver.streaming import spdy, websocket
from sampan.apiserver.streaming.websocket import Closed, Piece, WebSocket

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
TYPES = {ERROR: "error", STDIN: "stdin", STDOUT: "stdout", STDERR: "stderr", RESIZE: "resize"}
"""By channel, in the order in which the streams are opened."""
MOST_STATUS_BYTES = 64 * 1024


def channels(*, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> list[int]:
    """Those of what the request asks for, in the order of `TYPES`."""
    given = {ERROR: True, STDIN: stdin, STDOUT: stdout, STDERR: stderr and not tty, RESIZE: tty}
    return [channel for channel in TYPES if given[channel]]


class RemoteCommand(Takeover):
    """The client's WebSocket over a tunnel to the kubelet."""

    def __init__(self, head: bytes, far: Tunnel, **wanted: bool) -> None:
        self.head = head
        self._far = far
        self._socket = WebSocket()
        self._reader, self._writer = spdy.Reader(), spdy.Writer()
        self._streams = {channel: 2 * at + 1 for at, channel in enumerate(channels(**wanted))}
        self._channels = {stream: channel for channel, stream in self._streams.items()}
        self._channel = -1
        self._status = b""
        self._over = False
        self._near: Near | None = None

    # the client's side

    def open(self, near: Near, early: bytes) -> None:
        self._near = near
        self._far.open(_Far(self), b"")
        for channel, stream in self._streams.items():
            self._far.receive(self._writer.open(stream, {"streamtype": TYPES[channel]}))
        # An empty message tells the client that all is there.
        first = next((channel for channel in (STDOUT, STDERR) if channel in self._streams), ERROR)
        near.forward(self._socket.message(bytes([first])))
        if early:
            self.receive(early)

    def receive(self, data: bytes) -> None:
        try:
            for piece in self._socket.receive(data):
                self._take(piece)
        except Closed as closed:
            self._end(closed.answer)
            return
        answers, self._socket.answers = self._socket.answers, b""
        if answers and self._near is not None:
            self._near.forward(answers)

    def _take(self, piece: Piece) -> None:
        data = piece.data
        if piece.first:
            self._channel = data[0] if data else -1
            data = data[1:]
        if self._channel == CLOSE and data:
            self._send(data[0], b"", fin=True)
        elif self._channel in (STDIN, RESIZE) and data:
            self._send(self._channel, data)

    def _send(self, channel: int, data: bytes, *, fin: bool = False) -> None:
        stream = self._streams.get(channel)
        if stream is not None and channel in (STDIN, RESIZE):
            self._far.receive(spdy.data(stream, data, fin=fin))

    def pause(self) -> None:
        self._far.pause()

    def resume(self) -> None:
        self._far.resume()

    def close(self) -> None:
        self._near = None
        self._far.close()

    # the kubelet's side

    def arrived(self, data: bytes) -> None:
        try:
            for frame in self._reader.feed(data):
                self._frame(frame)
        except spdy.BadFrame:
            self._end(self._socket.close(websocket.INTERNAL_ERROR))

    def _frame(self, frame: spdy.Frame) -> None:
        if frame.type == spdy.PING:
            self._far.receive(spdy.pong(frame))
        channel = self._channels.get(frame.stream)
        if channel is None or frame.type not in (0, spdy.RST_STREAM) or self._near is None:
            return
        if channel == ERROR:
            self._told(frame)
        elif frame.type == 0 and frame.payload:
            self._near.forward(self._socket.message(bytes([channel]) + frame.payload))

    def _told(self, frame: spdy.Frame) -> None:
        """How the command ended, in one message."""
        if frame.type == 0:
            self._status = (self._status + frame.payload)[:MOST_STATUS_BYTES]
        if (frame.fin or frame.type) and self._status and self._near is not None:
            self._near.forward(self._socket.message(bytes([ERROR]) + self._status))
            self._status, self._over = b"", True

    def ended(self) -> None:
        """The kubelet has ended the connection."""
        self._end(self._socket.close(websocket.NORMAL if self._over else websocket.INTERNAL_ERROR))

    def hold(self) -> None:
        """The kubelet takes no more for now."""
        if self._near is not None:
            self._near.pause()

    def go_on(self) -> None:
        if self._near is not None:
            self._near.resume()

    def _end(self, last: bytes) -> None:
        near, self._near = self._near, None
        if near is not None:
            near.forward(last)
            near.close()
        self._far.close()


class _Far(Near):
    """What the tunnel to the kubelet takes for its client."""

    def __init__(self, command: RemoteCommand) -> None:
        self._command = command

    def forward(self, data: bytes) -> None:
        self._command.arrived(data)

    def close(self) -> None:
        self._command.ended()

    def pause(self) -> None:
        self._command.hold()

    def resume(self) -> None:
        self._command.go_on()
