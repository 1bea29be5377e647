"""Clients that ask and do not read, and more clients than there are files: memory flat, others unharmed."""

from __future__ import annotations

import contextlib
import http.client
import json
import resource
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from .conftest import context

TOKEN = b"Authorization: Bearer admin-token\r\n"
HOST = b"Host: x\r\n"
MAPS = "/api/v1/namespaces/default/configmaps"
GET = b"GET /readyz HTTP/1.1\r\n" + HOST
MEMORY = 200.0
LARGE = "x" * 500_000
FILES = 256
EVENTS, EVENT_BYTES, WRITERS = 1400, 20_000, 8
"""More than a backlog's thousand and what the kernel keeps for a connection, and less than the store's history."""


@pytest.fixture(scope="module", autouse=True)
def twenty_megabytes(api: Any) -> None:
    for number in range(40):
        api.make(MAPS, {"metadata": {"name": f"large{number}"}, "data": {"a": LARGE}})


def asking(path: str) -> bytes:
    return b"GET %b HTTP/1.1\r\n" % path.encode() + HOST + TOKEN + b"\r\n"


def small(wire: Any) -> Any:
    """A connection that takes little before the server notices."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.settimeout(20)
    raw.connect(("127.0.0.1", wire.port))
    return wire.over(raw)


def test_lists_that_nobody_reads(wire: Any, process: Any, bystander: Any) -> None:
    """Ten clients ask fifty times each for twenty megabytes in one go, which would be ten gigabytes."""
    before = process.memory()
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            connection = stack.enter_context(small(wire))
            connection.sendall(asking(MAPS) * 50)
        bystander.unharmed()
        assert process.memory() < before + 60
    bystander.unharmed()


def test_objects_that_nobody_reads(wire: Any, process: Any, bystander: Any) -> None:
    before = process.memory()
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            connection = stack.enter_context(small(wire))
            connection.sendall(asking(f"{MAPS}/large0") * 200)
        bystander.unharmed()
        assert process.memory() < before + 60


def test_a_slow_reader_gets_it_all_the_same(wire: Any) -> None:
    """Back-pressure loses nothing: three lists and the request behind them."""
    with small(wire) as connection:
        connection.sendall(asking(MAPS) * 3 + GET + b"Connection: close\r\n\r\n")
        received = bytearray()
        while data := connection.recv(1 << 20):
            received += data
    assert received.count(b"HTTP/1.1 200") == 4
    assert received.count(b'"name":"large') == 120


def test_watches_that_nobody_reads(wire: Any, api: Any, process: Any, bystander: Any) -> None:
    """The state at first, then changes: what a watcher does not take is not kept for it beyond a bound."""
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            connection = stack.enter_context(small(wire))
            connection.sendall(asking(f"{MAPS}?watch=1"))
        before = process.memory()
        for number in range(60):
            patch = json.dumps({"data": {"a": LARGE, "n": str(number)}}).encode()
            assert api("PATCH", f"{MAPS}/large0", patch, content_type="application/merge-patch+json").status == 200
        # The store keeps 64 MiB of history; kept for each of the watchers it would be twenty times the changes.
        assert process.memory() < before + 160
        bystander.unharmed()


def patched(port: int, name: str) -> None:
    """A writer's share of the events: changes of an object of its own, one after the other."""
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=context())
    headers = {"Authorization": "Bearer admin-token", "Content-Type": "application/merge-patch+json"}
    with contextlib.closing(connection):
        for number in range(EVENTS // WRITERS):
            body = json.dumps({"data": {"a": f"{number}" + "x" * EVENT_BYTES}})
            connection.request("PATCH", f"{MAPS}/{name}", body, headers)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            answer.read()


def test_a_watch_that_nobody_reads_ends(wire: Any, process: Any, bystander: Any) -> None:
    """What its socket and a backlog take, and then no more: the connection is dropped."""
    before = process.memory()
    with small(wire) as deaf:
        now = f"{MAPS}?watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan"
        deaf.sendall(asking(now))
        assert deaf.recv(15) == b"HTTP/1.1 200 OK"
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(lambda number: patched(wire.port, f"large{number}"), range(WRITERS)))
        received = 0
        with contextlib.suppress(ConnectionResetError, ssl.SSLError):
            while piece := deaf.recv(1 << 20):
                received += len(piece)
    assert received < EVENTS * EVENT_BYTES // 2
    assert process.memory() < before + 100
    bystander.unharmed()


@pytest.fixture
def crowded(tmp_path: Path, server: Any) -> Iterator[tuple[Any, Any]]:
    """A server that may open few files, and its API."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = type(server)(tmp_path)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))
    try:
        api = few.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    yield few, api
    few.stop()


def test_more_connections_than_files(crowded: Any, wire: Any, process: Any) -> None:
    """Who is connected goes on; accepting does not spin; with the crowd gone, all is as before."""
    server, api = crowded
    wire, process = type(wire)(api.port), type(process)(server.pid)
    with wire.connect() as early:
        with contextlib.ExitStack() as crowd:
            for _ in range(FILES * 2):
                with contextlib.suppress(OSError):
                    crowd.enter_context(wire.plain())
            before = process.cpu()
            for _ in range(200):
                early.sendall(GET + b"\r\n")
                assert early.recv(1000).startswith(b"HTTP/1.1 200")
            early.sendall(b"POST /api/v1/namespaces HTTP/1.1\r\n" + HOST + TOKEN + b"Content-Length: 29\r\n\r\n")
            early.sendall(b'{"metadata":{"name":"crowd"}}')
            assert early.recv(1000).startswith(b"HTTP/1.1 201")
            assert process.cpu() - before < 1.0
        assert api("GET", "/readyz").status == 200


def test_more_clients_than_files(crowded: Any, wire: Any) -> None:
    """With TLS, some files are kept back: the store and the rest of the server go on opening theirs."""
    server, api = crowded
    wire = type(wire)(api.port)
    with contextlib.ExitStack() as crowd:
        for _ in range(FILES):
            with contextlib.suppress(OSError):
                crowd.enter_context(wire.connect())
        assert len(list(Path(f"/proc/{server.pid}/fd").iterdir())) < FILES - 50
    assert api("GET", "/readyz").status == 200
