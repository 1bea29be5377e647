"""The bytes of a probe's HTTP request and answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.kubelet.httpwire import BODY_BYTES, HEAD_BYTES, Reply, request

OK = b"HTTP/1.1 200 OK\r\n"
LARGE = b"x" * (BODY_BYTES + 100)


def replied(data: bytes, sizes: list[int]) -> tuple[int, bytes]:
    """What is read of an answer that comes in pieces of those sizes; the rest at once, and then the end."""
    reply = Reply()
    for size in [*sizes, len(data)]:
        if not reply.done:
            reply.feed(data[:size])
            data = data[size:]
    reply.end()
    return reply.status, reply.body


@pytest.mark.parametrize(
    ("data", "status", "body"),
    [
        (OK + b"Content-Length: 2\r\n\r\nok and more", 200, b"ok"),
        (OK + b"\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.0 404 Not Found\n\nbare lines", 404, b"bare lines"),
        (b"HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n", 200, b""),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n", 204, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\na", 200, b"a"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", 200, b"abcd"),
        (OK + b"\r\n" + LARGE, 200, LARGE[:BODY_BYTES]),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nfffff\r\n" + LARGE, 200, LARGE[:BODY_BYTES]),
    ],
)
@given(sizes=st.lists(st.integers(1, 40), max_size=20))
def test_an_answer_in_whatever_pieces(data: bytes, status: int, body: bytes, sizes: list[int]) -> None:
    assert replied(data, sizes) == (status, body)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "^EOF$"),
        (b"HTTP/1.1 200", "unexpected EOF"),
        (OK + b"Content-Length: 5\r\n\r\nok", "unexpected EOF"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nok", "unexpected EOF"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nok", "bad length"),
        (OK + b"Content-Length: many\r\n\r\n", "bad length"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 300, "header line too long"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "malformed HTTP response 'SSH-2.0"),
        (OK + b"a: b\r\n" * HEAD_BYTES, "headers exceeded"),
    ],
)
def test_what_is_no_answer(data: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        replied(data, [3])


def test_a_request() -> None:
    assert (
        request("/a?b", "h:1", [("X", "y")]) == b"GET /a?b HTTP/1.1\r\nHost: h:1\r\nX: y\r\nConnection: close\r\n\r\n"
    )
    assert b"Host: h:1" not in request("/", "h:1", [("host", "other")])
    with pytest.raises(ValueError, match="invalid header field value"):
        request("/", "h", [("X", "y\r\nEvil: yes")])
