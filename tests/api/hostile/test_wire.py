"""HTTP that can be read in two ways, is none, or stops in the middle (RFC 9112; request smuggling, section 11.2)."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import struct
from typing import Any

import pytest

TOKEN = b"Authorization: Bearer admin-token\r\n"
HOST = b"Host: x\r\n"
POST = b"POST /api/v1/namespaces HTTP/1.1\r\n" + HOST + TOKEN
GET = b"GET /readyz HTTP/1.1\r\n" + HOST
MEMORY = 60.0
CLOSE = b"Connection: close\r\n\r\n"

REFUSED: dict[str, tuple[bytes, int]] = {
    "two lengths": (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400),
    "one length twice": (POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    "a list of lengths": (POST + b"Content-Length: 5, 5\r\n\r\nhello", 400),
    "a length and chunks": (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "two encodings": (POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400),
    "an encoding nobody knows": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    "compressed chunks": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "a negative length": (POST + b"Content-Length: -5\r\n\r\nhello", 400),
    "a signed length": (POST + b"Content-Length: +5\r\n\r\nhello", 400),
    "a length with an underscore": (POST + b"Content-Length: 1_0\r\n\r\nhellohello", 400),
    "a length beyond all integers": (POST + b"Content-Length: 99999999999999999999999\r\n\r\n", 400),
    "a length over the limit": (POST + b"Content-Length: 3145729\r\n\r\n", 413),
    "a negative chunk": (POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", 400),
    "a chunk beyond all integers": (POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 400),
    "a chunk longer than it says": (POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 400),
    "chunks over the limit": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + (b"100000\r\n" + b"x" * (1 << 20) + b"\r\n") * 4,
        413,
    ),
    "no host": (b"GET /readyz HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET /readyz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "a space before the colon": (GET + b"Transfer-Encoding : chunked\r\n\r\n", 400),
    "a NUL in a header": (GET + b"X: a\x00b\r\n\r\n", 400),
    "line feeds alone": (b"GET /readyz HTTP/1.1\nHost: a\n\n", 400),
    "carriage returns alone": (b"GET /readyz HTTP/1.1\rHost: a\r\r", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "HTTP/3": (b"GET /readyz HTTP/3.0\r\n\r\n", 400),
    "another method": (b"BREW /readyz HTTP/1.1\r\n" + HOST + CLOSE, 400),
    "garbage": (b"\x00\x01\x02\r\n\r\n", 400),
    "random bytes": (b"\xfe" + os.urandom(5000), 400),
    "a line without end": (b"GET /" + b"a" * 200_000, 431),
    "a header without end": (GET + b"X: " + b"a" * 200_000, 431),
    "headers without end": (GET + b"a: b\r\n" * 20_000, 431),
    "a large body of a stranger": (
        b"POST /api/v1/namespaces HTTP/1.1\r\n" + HOST + b"Content-Length: 2000000\r\n\r\n",
        401,
    ),
    "chunks of a stranger": (
        b"POST /api/v1/namespaces HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nffff\r\n",
        401,
    ),
    "credentials in a trailer": (
        b"POST /api/v1/namespaces HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + TOKEN + b"\r\n",
        401,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_and_closed(wire: Any, bystander: Any, name: str) -> None:
    """Exactly one answer: what follows on the connection is nobody's request."""
    data, status = REFUSED[name]
    assert wire.statuses(data + GET + CLOSE) == [status]
    bystander.unharmed()


def test_garbage_behind_a_request(wire: Any) -> None:
    assert wire.statuses(GET + b"\r\n\x00garbage\r\n\r\n" + GET + b"\r\n") == [200, 400]


def test_an_upgrade_nobody_offers_ends_with_its_answer(wire: Any) -> None:
    upgrade = GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert wire.statuses(upgrade + GET + b"\r\n") == [200]
    assert wire.statuses(b"CONNECT a:1 HTTP/1.1\r\n" + HOST + b"\r\n" + GET + b"\r\n") == [401]


def test_the_answer_to_head_has_no_body(wire: Any) -> None:
    for path, status in ((b"/version", 200), (b"/api/v1/namespaces?watch=1", 405)):
        head = b"HEAD %b HTTP/1.1\r\n" % path + HOST + TOKEN + b"\r\n"
        received = wire.exchange(head + GET + CLOSE)
        first, _, rest = received.partition(b"\r\n\r\n")
        assert first.startswith(b"HTTP/1.1 %d" % status)
        assert rest.startswith(b"HTTP/1.1 200")


def test_a_watch_over_the_first_http(wire: Any) -> None:
    """HTTP/1.0 has no chunks: the stream ends with the connection."""
    received = wire.exchange(b"GET /api/v1/namespaces?watch=1&timeoutSeconds=1 HTTP/1.0\r\n" + TOKEN + b"\r\n")
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert body.startswith(b'{"type":"ADDED"')


def test_many_requests_at_once_are_answered_in_order(wire: Any) -> None:
    paths = [b"/readyz", b"/version", b"/nothing"] * 200
    sent = b"".join(b"GET %b HTTP/1.1\r\n" % path + HOST + TOKEN + b"\r\n" for path in paths)
    assert wire.statuses(sent + GET + CLOSE) == [200, 200, 404] * 200 + [200]


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\x00" * 500, b"\xff" * 1000, b""]
)
def test_garbage_where_tls_belongs(wire: Any, server: Any, bystander: Any, garbage: bytes) -> None:
    for _ in range(50):
        with wire.plain() as connection, contextlib.suppress(ConnectionResetError):
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
            assert b"HTTP/1.1" not in connection.recv(1000)
    bystander.unharmed()
    assert server.log().count("Traceback") == 0


def test_slow_senders_hold_nothing_up(wire: Any, process: Any, bystander: Any) -> None:
    """Two hundred half requests, a byte at a time: an unfinished request is a little memory and nothing else.

    That it is ended after half a minute is tested with a clock of its own, in tests/unit/apiserver/http.
    """
    before = process.memory()
    with contextlib.ExitStack() as open_connections:
        slow = [open_connections.enter_context(wire.connect()) for _ in range(200)]
        for byte in GET:
            for connection in slow[:20]:
                connection.sendall(bytes([byte]))
        for connection in slow[20:]:
            connection.sendall(POST + b"Content-Length: 1000\r\n\r\n{")
        bystander.unharmed()
        assert process.memory() < before + 60


def test_half_closed_connections_end(wire: Any, bystander: Any) -> None:
    for data in (b"", GET, POST + b"Content-Length: 10\r\n\r\n{", GET + b"\r\n"):
        with wire.connect() as connection:
            if data:
                connection.sendall(data)
            raw = socket.socket(fileno=os.dup(connection.fileno()))
            with raw:
                raw.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ssl.SSLError, ConnectionResetError):
                while connection.recv(1000):
                    pass
    bystander.unharmed()


def test_clients_that_vanish_in_the_middle(wire: Any, api: Any, server: Any, bystander: Any) -> None:
    """With a reset, in the head, in the body, while being answered, while watching."""
    watch = b"GET /api/v1/namespaces?watch=1 HTTP/1.1\r\n" + HOST + TOKEN + b"\r\n"
    create = b'{"metadata":{"generateName":"vanished-"}}'
    requests = (
        GET,
        POST + b"Content-Length: 1000\r\n\r\n{",
        POST + b"Content-Length: %d\r\n\r\n" % len(create) + create,
        watch,
    )
    for data in requests * 20:
        connection = wire.connect()
        connection.sendall(data)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    bystander.unharmed()
    made = api("GET", "/api/v1/namespaces").body["items"]
    assert 0 <= sum(item["metadata"]["name"].startswith("vanished-") for item in made) <= 20
    assert "Traceback" not in server.log()
