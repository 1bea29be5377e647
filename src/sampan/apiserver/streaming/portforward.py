"""port-forward: a whole SPDY connection within the messages of a WebSocket (`SPDY/3.1+portforward.k8s.io`).

What is in the messages is taken out and passed on, and the other way round; nobody looks into it.
"""

from __future__ import annotations

from sampan.apiserver.streaming import websocket
from sampan.apiserver.streaming.translator import Translator
from sampan.apiserver.streaming.websocket import Piece


class Unwrapped(Translator):
    def say(self, piece: Piece) -> None:
        self._far.receive(piece.data)

    def hear(self, data: bytes) -> None:
        self.send(data)

    def ended(self) -> int:
        return websocket.NORMAL
