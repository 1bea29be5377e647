"""Servers that break the protocol: refused, with a word about what was wrong, and nothing grows without a bound."""

from __future__ import annotations

import asyncio
import struct

import pytest

from sampan.aio.grpc import Code, frames
from sampan.aio.grpc.call import WINDOW, prefixed
from sampan.aio.grpc.frames import frame
from sampan.aio.grpc.sending import MOST_WAITING

from .harness import BEGIN, Peer, answered, block, data, failure, head

OPEN = head(1)
END = frames.END_HEADERS
FATAL = {
    "HTTP/1.1": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak HTTP/2"),
    "a greeting without settings": (frame(frames.PING, 0, 0, bytes(8)), "does not speak HTTP/2"),
}
BROKEN = {
    "a frame too large": (frame(frames.DATA, 0, 1, bytes(frames.LEAST_FRAME + 1)), "a frame of 16385 bytes"),
    "a stream never opened": (head(3), "stream 3, which was never opened"),
    "a stream of the server's": (head(2), "stream 2, which was never opened"),
    "data of the whole connection": (data(0, b""), "kind 0 of stream 0"),
    "settings of a stream": (frame(frames.SETTINGS, 0, 1), "kind 4 of stream 1"),
    "settings of a strange size": (frame(frames.SETTINGS, 0, 0, b"12345"), "strange size"),
    "a frame size below the least": (frames.settings({frames.MAX_FRAME_SIZE: 1}), "largest frame"),
    "a window past the most": (frames.settings({frames.INITIAL_WINDOW_SIZE: 1 << 31}), "window of 2147483648"),
    "a push": (frame(frames.PUSH_PROMISE, END, 1, bytes(4)), "push"),
    "a short ping": (frame(frames.PING, 0, 0, b"1"), "ping"),
    "a short good-bye": (frame(frames.GOAWAY, 0, 0, b"1"), "good-bye"),
    "a reset of two bytes": (frame(frames.RST_STREAM, 0, 1, b"12"), "another size"),
    "a window by nothing": (frames.window_update(0, 0), "opens by nothing"),
    "a window past the most in all": (frames.window_update(0, frames.MOST_WINDOW), "too large"),
    "a call's window past the most": (frames.window_update(1, frames.MOST_WINDOW), "too large"),
    "padding without its length": (OPEN + frame(frames.DATA, frames.PADDED, 1), "padding"),
    "more padding than content": (OPEN + frame(frames.DATA, frames.PADDED, 1, b"\x09abc"), "padding"),
    "data before headers": (data(1, b"x"), "without headers"),
    "headers that go on from nothing": (frame(frames.CONTINUATION, END, 1, block(BEGIN)), "never began"),
    "a frame between headers": (frame(frames.HEADERS, 0, 1) + frame(frames.PING, 0, 0, bytes(8)), "between headers"),
    "another's headers between": (frame(frames.HEADERS, 0, 1) + frame(frames.CONTINUATION, 0, 3), "between headers"),
    "headers without an end": (
        frame(frames.HEADERS, 0, 1) + frame(frames.CONTINUATION, 0, 1, b"") * 20,
        "headers without an end",
    ),
    "headers of any size": (
        frame(frames.HEADERS, 0, 1) + frame(frames.CONTINUATION, 0, 1, bytes(frames.LEAST_FRAME)) * 5,
        "headers without an end",
    ),
    "a remembered header": (frame(frames.HEADERS, END, 1, b"\xbe"), "cannot be decoded"),
    "a table that may hold something": (frame(frames.HEADERS, END, 1, b"\x3f\xe1\x1f\x88"), "cannot be decoded"),
    "letters that are none": (frame(frames.HEADERS, END, 1, b"\x00\x85\xff\xff\xff\xff\xff\x00"), "cannot be decoded"),
}
BAD_ANSWERS = {
    "compressed": (OPEN + data(1, b"\x01" + bytes(4)), Code.INTERNAL, "compressed"),
    "too large": (OPEN + data(1, struct.pack(">BI", 0, 1 << 30)), Code.RESOURCE_EXHAUSTED, "1073741824 bytes"),
    "two": (OPEN + data(1, prefixed(b"a") + prefixed(b"b")), Code.INTERNAL, "several answers"),
    "two, one by one": (OPEN + data(1, prefixed(b"a")) + data(1, prefixed(b"b")), Code.INTERNAL, "several answers"),
    "none": (OPEN + head(1, [("grpc-status", "0")], last=True), Code.INTERNAL, "before its message"),
    "half of one": (
        OPEN + data(1, prefixed(b"abc")[:6]) + head(1, [("grpc-status", "0")], last=True),
        Code.INTERNAL,
        "before its message",
    ),
    "no status": (OPEN + head(1, [("x", "y")], last=True), Code.UNKNOWN, "without a status"),
    "no trailers": (OPEN + data(1, prefixed(b"a"), frames.END_STREAM), Code.UNKNOWN, "without a status"),
    "a status that is no number": (OPEN + head(1, [("grpc-status", "x" * 9)], last=True), Code.UNKNOWN, ""),
    "a status nobody knows": (OPEN + head(1, [("grpc-status", "99")], last=True), Code.UNKNOWN, ""),
    "headers twice": (OPEN + OPEN, Code.UNKNOWN, ""),
    "a web page": (head(1, [(":status", "200"), ("content-type", "text/html")]), Code.UNKNOWN, "HTTP 200, not gRPC"),
    "a proxy's": (head(1, [(":status", "503")], last=True), Code.UNAVAILABLE, "HTTP 503"),
    "broken off": (frames.reset(1, frames.PROTOCOL_ERROR), Code.UNAVAILABLE, "broke the call off (code 1)"),
}


@pytest.mark.parametrize("name", FATAL)
async def test_who_does_not_greet_is_left(name: str) -> None:
    said, reason = FATAL[name]
    peer = Peer()
    peer.say(said)
    assert peer.connection.ready.done() and not peer.connection.usable
    assert reason in peer.connection.calls.refusal
    assert peer.transport.closed


@pytest.mark.parametrize("name", BROKEN)
async def test_who_breaks_the_protocol_is_left(name: str) -> None:
    said, reason = BROKEN[name]
    peer = Peer().greet()
    answer = peer.unary()
    peer.say(said)
    error = failure(answer)
    assert error.code is Code.UNAVAILABLE and not error.untouched
    assert "broke the protocol" in error.details and reason in error.details
    assert peer.transport.closed
    assert (await peer.heard())[-1].kind == frames.GOAWAY


@pytest.mark.parametrize("name", BAD_ANSWERS)
async def test_a_bad_answer_fails_its_call_alone(name: str) -> None:
    said, code, details = BAD_ANSWERS[name]
    peer = Peer().greet()
    bad, good = peer.unary(), peer.unary()
    peer.say(said, answered(3))
    assert failure(bad).code is code
    assert details in failure(bad).details
    assert good.result() == b"answer"
    assert not peer.transport.closed


async def test_who_sends_more_than_there_is_room_for_is_left() -> None:
    peer = Peer().greet()
    stream = peer.stream()
    message = prefixed(bytes(frames.LEAST_FRAME - 5))
    peer.say(head(1), *[data(1, message)] * (WINDOW // len(message)))
    assert not peer.transport.closed
    peer.say(data(1, message))
    assert peer.transport.closed
    stream.cancel()


async def test_who_asks_and_does_not_listen_is_left() -> None:
    peer = Peer().greet()
    peer.connection.pause_writing()
    for _ in range(3):
        peer.say(*[frame(frames.PING, 0, 0, bytes(8))] * (MOST_WAITING // 2))
        await asyncio.sleep(0)
    assert peer.transport.closed
    assert peer.connection.calls.refusal == "the server does not read"


async def test_random_bytes_do_no_harm() -> None:
    """Every frame of a good answer, with every byte changed in turn: an answer, an error, or a lost connection."""
    whole = answered(1)
    for at in range(len(whole)):
        for change in (0x01, 0x80, 0xFF):
            peer = Peer().greet()
            answer = peer.unary()
            peer.say(whole[:at] + bytes((whole[at] ^ change,)) + whole[at + 1 :])
            peer.now = 11.0
            peer.connection.look()
            assert answer.done()
            assert answer.exception() is None or failure(answer).code in Code
