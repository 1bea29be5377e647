"""A connection without a network: the test says the server's frames, and sees ours."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from hpack import Encoder

from sampan.aio.grpc import RpcError, frames, headers
from sampan.aio.grpc.call import Streaming, Unary, prefixed
from sampan.aio.grpc.connection import Connection

BEGIN = [(":status", "200"), ("content-type", "application/grpc")]
WELL = [("grpc-status", "0"), ("grpc-message", "")]
BLOCK = headers.request("/a.B/C", "here:1", False, ())


class Sent(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes


class Transport:
    """What the connection is given in place of a socket."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def set_write_buffer_limits(self, high: int) -> None:
        """Nothing is buffered here."""


class Peer:
    """A server whose every byte is the test's; by default it greets as servers do."""

    def __init__(self) -> None:
        self.now = 0.0
        self.transport = Transport()
        self.connection = Connection(lambda: self.now)
        self.connection.connection_made(self.transport)

    def greet(self, values: dict[int, int] | None = None) -> Peer:
        self.say(frames.settings(values or {}), frames.frame(frames.SETTINGS, frames.ACK, 0))
        return self

    def say(self, *said: bytes) -> None:
        self.connection.data_received(b"".join(said))

    async def heard(self) -> list[Sent]:
        """The frames sent since the last look."""
        await asyncio.sleep(0)
        data, self.transport.written = self.transport.written.removeprefix(frames.PREFACE), b""
        found = []
        while data:
            head, flags, stream = frames.HEAD.unpack_from(data)
            end = frames.HEAD.size + (head >> 8)
            found.append(Sent(head & 255, flags, stream, data[frames.HEAD.size : end]))
            data = data[end:]
        return found

    def unary(self, message: bytes = b"ask", *, most: int = 1 << 20, seconds: float = 10) -> asyncio.Future[bytes]:
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        call = Unary(answer, most=most, deadline=self.now + seconds)
        self.connection.calls.begin(call, BLOCK, prefixed(message), last=True)
        return answer

    def stream(self) -> Streaming:
        calls = self.connection.calls
        call = Streaming(
            most=1 << 20,
            send=lambda call, message: calls.send(call, prefixed(message)),
            taken=calls.taken,
            leave=calls.leave,
        )
        calls.begin(call, BLOCK, b"", last=False)
        return call


def block(fields: list[tuple[str, str]], *, huffman: bool = True) -> bytes:
    """As a server would that was told to remember nothing."""
    encoder = Encoder()
    encoder.header_table_size = 0
    return encoder.encode(fields, huffman=huffman)


def head(stream: int, fields: list[tuple[str, str]] = BEGIN, *, last: bool = False) -> bytes:
    flags = frames.END_HEADERS | (frames.END_STREAM if last else 0)
    return frames.frame(frames.HEADERS, flags, stream, block(fields))


def data(stream: int, payload: bytes, flags: int = 0) -> bytes:
    return frames.frame(frames.DATA, flags, stream, payload)


def answered(stream: int, message: bytes = b"answer") -> bytes:
    return head(stream) + data(stream, prefixed(message)) + head(stream, WELL, last=True)


def failure(answer: asyncio.Future[Any]) -> RpcError:
    error = answer.exception()
    assert isinstance(error, RpcError)
    return error
