"""What every translation has: a client's WebSocket on one side, a tunnel to a kubelet on the other.

A side that does not read stops the other, and the end of one is the end of both.
"""

from __future__ import annotations

from abc import abstractmethod

from sampan.aio.tunnel import Near, Takeover, Tunnel
from sampan.apiserver.streaming.websocket import Closed, Piece, WebSocket


class Translator(Takeover):
    """Its heirs say what becomes of a message's piece, of the kubelet's bytes, and of the kubelet's end."""

    def __init__(self, head: bytes, far: Tunnel) -> None:
        self.head = head
        self._far = far
        self._socket = WebSocket()
        self._near: Near | None = None

    @abstractmethod
    def say(self, piece: Piece) -> None:
        """The client has sent a piece of a message."""

    @abstractmethod
    def hear(self, data: bytes) -> None:
        """The kubelet has sent bytes."""

    @abstractmethod
    def ended(self) -> int:
        """The kubelet has ended the connection: the code to close the WebSocket with."""

    def begin(self) -> None:
        """Both sides are there."""

    def send(self, message: bytes) -> None:
        """To the client, while it is there."""
        if self._near is not None:
            self._near.forward(self._socket.message(message))

    def end(self, code: int) -> None:
        self._end(self._socket.close(code))

    def _end(self, last: bytes) -> None:
        near, self._near = self._near, None
        if near is not None:
            near.forward(last)
            near.close()
        self._far.close()

    # Takeover, for the client's connection

    def open(self, near: Near, early: bytes) -> None:
        self._near = near
        self._far.open(_Far(self, near), b"")
        self.begin()
        if early:
            self.receive(early)

    def receive(self, data: bytes) -> None:
        try:
            for piece in self._socket.receive(data):
                self.say(piece)
        except Closed as closed:
            self._end(closed.answer)
            return
        answers, self._socket.answers = self._socket.answers, b""
        if answers and self._near is not None:
            self._near.forward(answers)

    def pause(self) -> None:
        self._far.pause()

    def resume(self) -> None:
        self._far.resume()

    def close(self) -> None:
        self._near = None
        self._far.close()


class _Far(Near):
    """What the tunnel to the kubelet takes for its client."""

    def __init__(self, translator: Translator, near: Near) -> None:
        self._translator, self._near = translator, near

    def forward(self, data: bytes) -> None:
        self._translator.hear(data)

    def close(self) -> None:
        self._translator.end(self._translator.ended())

    def pause(self) -> None:
        self._near.pause()

    def resume(self) -> None:
        self._near.resume()
