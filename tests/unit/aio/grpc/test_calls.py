"""Calls as RFC 9113 and gRPC have them: pieces, windows, turns, and how calls and connections end."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import pytest
from hpack import Decoder

from sampan.aio.grpc import Code, RpcError, frames, headers
from sampan.aio.grpc.call import WINDOW, prefixed
from sampan.aio.grpc.frames import frame
from sampan.aio.grpc.keepalive import Duty, KeepAlive

from .harness import BEGIN, WELL, Peer, answered, block, data, failure, head


def test_a_request_is_what_others_read() -> None:
    token = "t" * 300
    sent = headers.request("/a.B/C", "here:1", True, (("token", token),))
    assert Decoder().decode(sent) == [
        (":method", "POST"),
        (":scheme", "https"),
        (":path", "/a.B/C"),
        (":authority", "here:1"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("user-agent", "sampan"),
        ("token", token),
    ]


async def test_a_call_is_two_frames_and_what_is_sent_in_one_turn_one_write() -> None:
    peer = Peer().greet()
    await peer.heard()
    answers = [peer.unary(b"a"), peer.unary(b"b")]
    assert not peer.transport.written
    sent = await peer.heard()
    assert [(each.kind, each.stream) for each in sent] == [
        (frames.HEADERS, 1),
        (frames.DATA, 1),
        (frames.HEADERS, 3),
        (frames.DATA, 3),
    ]
    assert sent[1].flags == frames.END_STREAM and sent[1].payload == prefixed(b"a")
    peer.say(answered(3, b"B"), answered(1, b"A"))
    assert [answer.result() for answer in answers] == [b"A", b"B"]


async def test_an_answer_in_pieces() -> None:
    """Padded, with priorities, informational headers before, its headers in several frames, and one byte at a time."""
    peer = Peer().greet()
    answer = peer.unary()
    begin, message = block(BEGIN), prefixed(b"answer" * 100)
    said = b"".join(
        (
            frame(99, 0, 1, b"a kind of frame yet to be invented"),
            frame(frames.PRIORITY, 0, 1, bytes(5)),
            head(1, [(":status", "103")]),
            frame(frames.HEADERS, frames.PADDED | frames.WITH_PRIORITY, 1, b"\x02" + bytes(5) + begin[:3] + bytes(2)),
            frame(frames.CONTINUATION, 0, 1, begin[3:5]),
            frame(frames.CONTINUATION, frames.END_HEADERS, 1, begin[5:]),
            data(1, b"\x03" + message[:4] + bytes(3), frames.PADDED),
            data(1, b""),
            data(1, message[4:]),
            head(1, WELL, last=True),
        )
    )
    for byte in said:
        peer.say(bytes((byte,)))
    assert answer.result() == b"answer" * 100


@pytest.mark.parametrize("huffman", [True, False])
async def test_a_failure_says_why(huffman: bool) -> None:
    peer = Peer().greet()
    answer = peer.unary()
    why = "etcdserver: größer als erlaubt"
    fields = [*BEGIN, ("grpc-status", "8"), ("grpc-message", quote(why, safe=" :"))]
    last = frames.END_HEADERS | frames.END_STREAM
    peer.say(frame(frames.HEADERS, last, 1, block(fields, huffman=huffman)))
    assert (failure(answer).code, failure(answer).details) == (Code.RESOURCE_EXHAUSTED, why)
    assert not failure(answer).untouched


async def test_more_is_sent_when_the_server_takes_more() -> None:
    peer = Peer().greet({frames.INITIAL_WINDOW_SIZE: 10})
    first, second = peer.unary(b"x" * 20), peer.unary(b"y" * 8)
    sent = [each for each in await peer.heard() if each.kind == frames.DATA]
    assert [(each.stream, len(each.payload), each.flags) for each in sent] == [(1, 10, 0), (3, 10, 0)]
    peer.say(frames.window_update(3, 100), frames.settings({frames.INITIAL_WINDOW_SIZE: 14}))
    sent = [each for each in await peer.heard() if each.kind == frames.DATA]
    assert [(each.stream, len(each.payload), each.flags) for each in sent] == [(3, 3, frames.END_STREAM), (1, 4, 0)]
    peer.say(frames.settings({frames.INITIAL_WINDOW_SIZE: 0}), frames.window_update(1, 14))
    assert not [each for each in await peer.heard() if each.kind == frames.DATA]
    peer.say(frames.window_update(1, 1000), answered(3))
    sent = [each for each in await peer.heard() if each.kind == frames.DATA]
    assert [(len(each.payload), each.flags) for each in sent] == [(11, frames.END_STREAM)]
    peer.say(answered(1))
    assert first.result() == second.result() == b"answer"


async def test_large_messages_share_the_connection_in_turns() -> None:
    peer = Peer().greet({frames.INITIAL_WINDOW_SIZE: 1 << 20})
    peer.unary(bytes(100_000)), peer.unary(bytes(100_000))
    sent = [each for each in await peer.heard() if each.kind == frames.DATA]
    assert sum(len(each.payload) for each in sent) == frames.FIRST_WINDOW
    peer.say(frames.window_update(0, 1 << 20))
    sent += [each for each in await peer.heard() if each.kind == frames.DATA]
    assert {each.stream for each in sent[:8]} == {1, 3}
    assert max(len(each.payload) for each in sent) <= frames.LEAST_FRAME
    assert sum(len(each.payload) for each in sent) == 2 * 100_005
    peer.connection.break_off("enough")


async def test_an_answer_before_all_was_asked_ends_the_asking() -> None:
    peer = Peer().greet({frames.INITIAL_WINDOW_SIZE: 10})
    answer = peer.unary(bytes(100))
    await peer.heard()
    peer.say(head(1, [*BEGIN, ("grpc-status", "8"), ("grpc-message", "too much")], last=True))
    assert failure(answer).details == "too much"
    peer.say(frames.window_update(1, 1000))
    assert [(each.kind, each.stream) for each in await peer.heard()] == [(frames.RST_STREAM, 1)]


async def test_calls_wait_when_the_server_takes_no_more() -> None:
    peer = Peer().greet({frames.MAX_CONCURRENT_STREAMS: 1})
    first, second, third = peer.unary(), peer.unary(seconds=1), peer.unary()
    stream = peer.stream()
    stream.write(b"early")
    peer.now = 2.0
    peer.connection.look()
    assert failure(second).code is Code.DEADLINE_EXCEEDED and failure(second).untouched
    peer.say(answered(1))
    peer.say(answered(3))
    assert first.result() == third.result() == b"answer"
    sent = await peer.heard()
    assert [each.payload for each in sent if each.stream == 5 and each.kind == frames.DATA] == [prefixed(b"early")]
    stream.cancel()


async def test_time_is_up_and_callers_leave() -> None:
    peer = Peer().greet()
    late, other = peer.unary(seconds=1), peer.unary(seconds=5)
    peer.now = 1.0
    peer.connection.look()
    assert failure(late).code is Code.DEADLINE_EXCEEDED
    assert [each.kind for each in await peer.heard() if each.stream == 1][-1] == frames.RST_STREAM
    peer.say(answered(1), answered(3))
    assert other.result() == b"answer"


async def test_a_server_that_leaves_says_what_it_has_not_seen() -> None:
    peer = Peer().greet()
    seen, unseen = peer.unary(), peer.unary()
    peer.say(frame(frames.GOAWAY, 0, 0, b"\0\0\0\1" + bytes(4)))
    assert not peer.connection.usable
    assert failure(unseen).untouched
    assert failure(peer.unary()).untouched
    assert not peer.transport.closed
    peer.say(answered(1))
    assert seen.result() == b"answer"
    assert peer.transport.closed


async def test_a_refused_call_did_nothing_and_a_lost_one_may_have() -> None:
    peer = Peer().greet()
    refused, lost = peer.unary(), peer.unary()
    peer.say(frames.reset(1, frames.REFUSED_STREAM))
    peer.connection.connection_lost(None)
    assert failure(refused).untouched
    assert not failure(lost).untouched and failure(lost).code is Code.UNAVAILABLE


async def test_numbers_of_streams_come_to_an_end() -> None:
    peer = Peer().greet()
    peer.connection.calls._next_id = frames.MOST_WINDOW
    last = peer.unary()
    assert not peer.connection.usable
    assert failure(peer.unary()).untouched
    peer.say(answered(frames.MOST_WINDOW))
    assert last.result() == b"answer" and peer.transport.closed


async def test_a_stream_of_messages() -> None:
    peer = Peer().greet()
    stream = peer.stream()
    ended: list[object] = []
    stream.add_done_callback(ended.append)
    stream.write(b"one")
    stream.write(b"two")
    sent = [each for each in await peer.heard() if each.kind == frames.DATA]
    assert [(each.payload, each.flags) for each in sent] == [(prefixed(b"one"), 0), (prefixed(b"two"), 0)]
    peer.say(head(1), data(1, prefixed(b"a") + prefixed(b"") + prefixed(b"cc")[:6]), data(1, b""))
    assert [await stream.read(), await stream.read()] == [b"a", b""]
    reading = asyncio.ensure_future(stream.read())
    await asyncio.sleep(0)
    peer.say(data(1, prefixed(b"cc")[6:]), head(1, WELL, last=True))
    assert await reading == b"cc"
    assert await stream.read() is None
    assert ended == [stream]
    stream.write(b"too late")
    assert [each.kind for each in await peer.heard()] == [frames.RST_STREAM]


async def test_a_stream_that_fails_tells_after_what_came() -> None:
    peer = Peer().greet()
    stream = peer.stream()
    peer.say(head(1), data(1, prefixed(b"a")), head(1, [("grpc-status", "14")], last=True))
    assert await stream.read() == b"a"
    with pytest.raises(RpcError, match="UNAVAILABLE"):
        await stream.read()


async def test_a_stream_that_is_left_is_of_no_interest() -> None:
    peer = Peer().greet()
    stream = peer.stream()
    peer.say(head(1), data(1, prefixed(b"a")))
    stream.cancel()
    assert await stream.read() is None
    assert (await peer.heard())[-1].kind == frames.RST_STREAM
    peer.say(data(1, prefixed(b"b")), head(1, WELL, last=True))
    assert not peer.transport.closed


async def test_a_slow_reader_holds_its_own_stream_alone() -> None:
    peer = Peer().greet()
    stream = peer.stream()
    message = prefixed(bytes(frames.LEAST_FRAME - 5))
    count = WINDOW // len(message)
    peer.say(head(1), *[data(1, message)] * count)
    assert not [each for each in await peer.heard() if each.kind == frames.WINDOW_UPDATE and each.stream == 1]
    answer = peer.unary()
    peer.say(answered(3))
    assert answer.result() == b"answer"
    for _ in range(count):
        await stream.read()
    opened = [each for each in await peer.heard() if each.kind == frames.WINDOW_UPDATE and each.stream == 1]
    assert sum(frames.number(each.payload) for each in opened) == WINDOW
    stream.cancel()


async def test_a_large_answer_opens_its_window_as_it_comes() -> None:
    peer = Peer().greet()
    answer = peer.unary(most=4 << 20)
    whole = prefixed(bytes(4 << 20))
    peer.say(head(1))
    for at in range(0, len(whole), frames.LEAST_FRAME):
        peer.say(data(1, whole[at : at + frames.LEAST_FRAME]))
    peer.say(head(1, WELL, last=True))
    assert len(answer.result()) == 4 << 20


async def test_a_silent_server_is_asked_and_left() -> None:
    peer = Peer().greet()
    stream = peer.stream()
    await peer.heard()
    for tenths in range(0, 90, 2):
        peer.now = tenths / 10
        peer.connection.look()
    assert [each.kind for each in await peer.heard()] == [frames.PING]
    peer.say(frame(frames.PING, frames.ACK, 0, bytes(8)))
    for tenths in range(90, 182, 2):
        peer.now = tenths / 10
        peer.connection.look()
    assert peer.transport.closed
    with pytest.raises(RpcError, match="fallen silent"):
        await stream.read()


def test_who_was_stopped_does_not_blame_the_server() -> None:
    alive = KeepAlive(0.0)
    looks = [alive.look(tenths / 10, busy=True) for tenths in range(0, 80, 2)]
    assert Duty.PING in looks and Duty.GIVE_UP not in looks
    assert alive.look(100.0, busy=True) is Duty.NOTHING
    assert alive.look(100.2, busy=True) is Duty.NOTHING


def test_nobody_is_asked_when_nothing_is_wanted() -> None:
    alive = KeepAlive(0.0)
    assert {alive.look(tenths / 10, busy=False) for tenths in range(0, 300, 2)} == {Duty.NOTHING}
