"""The server's side of one WebSocket (RFC 6455), after its handshake: messages in pieces as they come.

A message is never held as a whole: who sends a large one gets it through piece by piece.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Message, Ping, TextMessage
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

NORMAL, PROTOCOL_ERROR, INTERNAL_ERROR = 1000, 1002, 1011


class Piece(NamedTuple):
    """A part of a message; `first` and `last` are true for one that came whole."""

    data: bytes
    first: bool
    last: bool


class Closed(Exception):
    """The client has ended the connection, or does not speak the protocol; `answer` is to be sent before its end."""

    def __init__(self, answer: bytes) -> None:
        super().__init__("closed")
        self.answer = answer


class WebSocket:
    """Bytes in, pieces out, and the bytes of what is to be sent."""

    def __init__(self) -> None:
        self._connection = Connection(ConnectionType.SERVER)
        self._begins = True
        self.answers = b""
        """What is to be sent in answer to what was received (pongs)."""

    def receive(self, data: bytes) -> Iterator[Piece]:
        """Raises Closed."""
        try:
            self._connection.receive_data(data)
            for event in self._connection.events():
                yield from self._event(event)
        except RemoteProtocolError as error:
            raise Closed(self._ended(error.event_hint or CloseConnection(PROTOCOL_ERROR))) from None

    def _event(self, event: Event) -> Iterator[Piece]:
        if isinstance(event, Ping):
            self.answers += self._connection.send(event.response())
        elif isinstance(event, CloseConnection):
            raise Closed(self._ended(event.response()))
        elif isinstance(event, BytesMessage | TextMessage):
            yield self._piece(event)

    def _piece(self, event: Message) -> Piece:
        first, self._begins = self._begins, event.message_finished
        data = event.data.encode() if isinstance(event.data, str) else bytes(event.data)
        return Piece(data, first, event.message_finished)

    def message(self, data: bytes) -> bytes:
        """A whole message."""
        return self._connection.send(BytesMessage(data))

    def close(self, code: int) -> bytes:
        """The end, unless it has been said already."""
        return self._ended(CloseConnection(code))

    def _ended(self, event: Event) -> bytes:
        try:
            return self._connection.send(event)
        except LocalProtocolError:
            return b""
