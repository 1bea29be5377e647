"""WebSockets to SPDY: what a client with `v5.channel.k8s.io` says, and what comes to the kubelet, frame by frame."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Message, Ping, Pong, TextMessage

from sampan.aio.tunnel import Near
from sampan.apiserver.streaming import handshake, spdy
from sampan.apiserver.streaming.portforward import Unwrapped
from sampan.apiserver.streaming.remotecommand import RemoteCommand
from sampan.apiserver.streaming.websocket import PROTOCOL_ERROR

SUCCESS = b'{"metadata":{},"status":"Success"}'


class Kubelet:
    """The far end: what it received, as frames."""

    def __init__(self) -> None:
        self.near: Near
        self.received = b""
        self.calls: list[str] = []

    def open(self, near: Near, early: bytes) -> None:
        assert not early
        self.near = near

    def receive(self, data: bytes) -> None:
        self.received += data

    def pause(self) -> None:
        self.calls.append("pause")

    def resume(self) -> None:
        self.calls.append("resume")

    def close(self) -> None:
        self.calls.append("close")

    def frames(self) -> list[spdy.Frame]:
        data, self.received = self.received, b""
        return list(spdy.Reader().feed(data))


class Client:
    """The near end: what it received, as messages, and the bytes it sends."""

    def __init__(self) -> None:
        self._connection = Connection(ConnectionType.CLIENT)
        self.messages: list[bytes] = []
        self.pongs: list[bytes] = []
        self.closed: int | None = None
        self.ended = False
        self.calls: list[str] = []

    def forward(self, data: bytes) -> None:
        self._connection.receive_data(data)
        for event in self._connection.events():
            if isinstance(event, Message):
                assert event.message_finished
                self.messages.append(bytes(event.data))
            elif isinstance(event, Pong):
                self.pongs.append(bytes(event.payload))
            elif isinstance(event, CloseConnection):
                self.closed = event.code

    def close(self) -> None:
        self.ended = True

    def pause(self) -> None:
        self.calls.append("pause")

    def resume(self) -> None:
        self.calls.append("resume")

    def says(self, event: Any) -> bytes:
        return self._connection.send(event)

    def message(self, channel: int, data: bytes) -> bytes:
        return self.says(BytesMessage(bytes([channel]) + data))


class World:
    def __init__(self, **wanted: bool) -> None:
        self.kubelet, self.client = Kubelet(), Client()
        everything = {"stdin": False, "stdout": False, "stderr": False, "tty": False, **wanted}
        self.command = RemoteCommand(b"head", self.kubelet, **everything)  # type: ignore[arg-type]
        self.command.open(self.client, b"")
        self.opened = self.kubelet.frames()

    def says(self, channel: int, data: bytes) -> list[tuple[int, bytes, bool]]:
        self.command.receive(self.client.message(channel, data))
        return [(frame.stream, frame.payload, frame.fin) for frame in self.kubelet.frames()]

    def hears(self, *frames: bytes) -> list[bytes]:
        self.client.messages.clear()
        for frame in frames:
            self.kubelet.near.forward(frame)
        return self.client.messages


def opened_types(frames: list[spdy.Frame]) -> list[str]:
    """The stream types told by SYN_STREAM frames, whose headers are one compressed stream."""
    decompressor = zlib.decompressobj(zdict=spdy.DICTIONARY)
    found = []
    for frame in frames:
        assert frame.type == spdy.SYN_STREAM
        block = decompressor.decompress(frame.payload[10:])
        assert block[:18] == b"\0\0\0\1" + b"\0\0\0\x0astreamtype"
        found.append(block[22:].decode())
    return found


def test_the_dictionary_is_the_protocols() -> None:
    assert (len(spdy.DICTIONARY), zlib.adler32(spdy.DICTIONARY)) == (1423, 0xE3C6A7C2)


def test_streams_are_opened_in_order_and_the_client_is_told() -> None:
    world = World(stdin=True, stdout=True, stderr=True)
    assert opened_types(world.opened) == ["error", "stdin", "stdout", "stderr"]
    assert [frame.stream for frame in world.opened] == [1, 3, 5, 7]
    assert world.client.messages == [b"\1"]
    terminal = World(stdin=True, stdout=True, stderr=True, tty=True)
    assert opened_types(terminal.opened) == ["error", "stdin", "stdout", "resize"]


def test_input_its_end_and_the_size_of_the_terminal() -> None:
    world = World(stdin=True, stdout=True, tty=True)
    assert world.says(0, b"ls\n") == [(3, b"ls\n", False)]
    assert world.says(4, b'{"Width":80,"Height":24}') == [(7, b'{"Width":80,"Height":24}', False)]
    assert world.says(255, b"\0") == [(3, b"", True)]


def test_what_a_client_may_not_say_goes_nowhere() -> None:
    world = World(stdout=True)
    for channel, data in ((0, b"no stdin"), (1, b"x"), (3, SUCCESS), (9, b"x"), (255, b"\1"), (255, b"")):
        assert world.says(channel, data) == []
    world.command.receive(world.client.says(BytesMessage(b"")))
    assert world.kubelet.frames() == []


def test_a_message_in_pieces_is_of_one_channel() -> None:
    world = World(stdin=True, stdout=True)
    parts = [
        world.client.says(BytesMessage(b"\0first ", message_finished=False)),
        world.client.says(BytesMessage(b"\1second", message_finished=True)),
    ]
    for byte in b"".join(parts):
        world.command.receive(bytes([byte]))
    received = world.kubelet.frames()
    assert {frame.stream for frame in received} == {3}
    assert b"".join(frame.payload for frame in received) == b"first \1second"


def test_output_and_the_end() -> None:
    world = World(stdout=True, stderr=True)
    assert world.hears(spdy.data(3, b"out"), spdy.data(5, b"err")) == [b"\1out", b"\2err"]
    assert world.hears(spdy.data(3, b"", fin=True), spdy.data(1, SUCCESS[:9])) == []
    assert world.hears(spdy.data(1, SUCCESS[9:], fin=True)) == [b"\3" + SUCCESS]
    world.kubelet.near.close()
    assert (world.client.closed, world.client.ended) == (1000, True)
    assert world.kubelet.calls == ["close"]


def test_an_end_without_a_word_is_an_error() -> None:
    world = World(stdout=True)
    world.kubelet.near.close()
    assert (world.client.closed, world.client.ended) == (1011, True)


def test_pings_are_answered_on_both_sides() -> None:
    world = World(stdout=True)
    world.command.receive(world.client.says(Ping(b"here?")))
    assert world.client.pongs == [b"here?"]
    ping = spdy.control(spdy.PING, b"\0\0\0\2")
    world.hears(ping)
    assert world.kubelet.received == ping


def test_a_client_that_goes_takes_the_command_with_it() -> None:
    world = World(stdout=True)
    world.command.receive(world.client.says(CloseConnection(1000)))
    assert (world.client.closed, world.client.ended, world.kubelet.calls) == (1000, True, ["close"])
    assert world.hears(spdy.data(3, b"late")) == []


@pytest.mark.parametrize("nonsense", [b"GET / HTTP/1.1\r\n", b"\x82\x05hello", b"\xff" * 20])
def test_what_is_no_websocket_is_refused(nonsense: bytes) -> None:
    world = World(stdin=True, stdout=True)
    world.command.receive(nonsense)
    assert (world.client.closed, world.client.ended) == (PROTOCOL_ERROR, True)


@pytest.mark.parametrize("nonsense", [b"\x80\x02\0\1\0\0\0\0", b"\0\0\0\1\0\xff\xff\xff"])
def test_what_is_no_spdy_is_refused(nonsense: bytes) -> None:
    world = World(stdout=True)
    world.hears(nonsense)
    assert (world.client.closed, world.client.ended) == (1011, True)


def test_who_does_not_read_stops_the_other() -> None:
    world = World(stdout=True)
    world.kubelet.near.pause()
    world.kubelet.near.resume()
    world.command.pause()
    world.command.resume()
    assert world.client.calls == ["pause", "resume"] == world.kubelet.calls


def test_a_forwarded_connection_is_only_unwrapped() -> None:
    kubelet, client = Kubelet(), Client()
    forwarding = Unwrapped(b"head", kubelet)  # type: ignore[arg-type]
    forwarding.open(client, client.says(BytesMessage(b"early")))
    forwarding.receive(client.says(BytesMessage(b" late")) + client.says(TextMessage(" text")))
    assert kubelet.received == b"early late text"
    kubelet.near.forward(b"back")
    assert client.messages == [b"back"]
    kubelet.near.close()
    assert (client.closed, client.ended, kubelet.calls) == (1000, True, ["close"])


def test_large_data_is_cut_into_frames() -> None:
    frames = list(spdy.Reader().feed(spdy.data(1, b"x" * 200_000, fin=True)))
    assert [len(frame.payload) for frame in frames] == [65536, 65536, 65536, 3392]
    assert [frame.fin for frame in frames] == [False, False, False, True]


def test_the_handshake() -> None:
    headers = {
        b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25jZQ==",
        b"sec-websocket-version": b"13",
        b"sec-websocket-protocol": b"v5.channel.k8s.io, v4.channel.k8s.io",
    }
    assert handshake.is_valid(headers)
    # The example of RFC 6455, 1.3.
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in handshake.switched(headers, "v5.channel.k8s.io")
    assert handshake.offered(headers) == ["v5.channel.k8s.io", "v4.channel.k8s.io"]
    for name, value in ((b"key", b"short"), (b"key", b"\xff"), (b"version", b"8")):
        assert not handshake.is_valid(headers | {b"sec-websocket-" + name: value})
