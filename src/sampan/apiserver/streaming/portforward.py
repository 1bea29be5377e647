"""port-forward: a whole SPDY connection within the messages of a WebSocket (`SPDY/3.1+portforward.k8s.io`).

What is in the messages is taken out and passed on, and the other way round; nobody looks into it.
"""

from __future__ import annotations

from sampan.aio.tunnel import Near, Takeover, Tunnel
from sampan.apiserver.streaming import websocket
from sampan.apiserver.streaming.websocket import Closed, WebSocket


class Unwrapped(Takeover):
    """The client's WebSocket over a tunnel to the kubelet."""

    def __init__(self, head: bytes, far: Tunnel) -> None:
        self.head = head
        self._far = far
        self._socket = WebSocket()
        self._near: Near | None = None

    def open(self, near: Near, early: bytes) -> None:
        self._near = near
        self._far.open(_Far(self, near), b"")
        if early:
            self.receive(early)

    def receive(self, data: bytes) -> None:
        try:
            for piece in self._socket.receive(data):
                self._far.receive(piece.data)
        except Closed as closed:
            self.end(closed.answer)
            return
        answers, self._socket.answers = self._socket.answers, b""
        if answers and self._near is not None:
            self._near.forward(answers)

    def wrapped(self, data: bytes) -> bytes:
        return self._socket.message(data)

    def end(self, last: bytes | None = None) -> None:
        near, self._near = self._near, None
        if near is not None:
            near.forward(self._socket.close(websocket.NORMAL) if last is None else last)
            near.close()
        self._far.close()

    def pause(self) -> None:
        self._far.pause()

    def resume(self) -> None:
        self._far.resume()

    def close(self) -> None:
        self._near = None
        self._far.close()


class _Far(Near):
    """What the tunnel to the kubelet takes for its client."""

    def __init__(self, wrapping: Unwrapped, near: Near) -> None:
        self._wrapping, self._near = wrapping, near

    def forward(self, data: bytes) -> None:
        self._near.forward(self._wrapping.wrapped(data))

    def close(self) -> None:
        self._wrapping.end()

    def pause(self) -> None:
        self._near.pause()

    def resume(self) -> None:
        self._near.resume()
