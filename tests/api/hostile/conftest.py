"""What it takes to misbehave: raw bytes over TLS, and somebody else's client that must not notice."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TOKEN = b"Authorization: Bearer admin-token\r\n"
HOST = b"Host: x\r\n"


def context() -> ssl.SSLContext:
    made = ssl.create_default_context()
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


class Wire:
    """Connections to a server on which anything can be sent."""

    def __init__(self, port: int) -> None:
        self.port = port

    def plain(self, seconds: float = 20) -> socket.socket:
        """A TCP connection without TLS."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=seconds)

    def connect(self, seconds: float = 20) -> ssl.SSLSocket:
        """A TLS connection."""
        return self.over(self.plain(seconds))

    def over(self, plain: socket.socket) -> ssl.SSLSocket:
        """TLS over a TCP connection."""
        return context().wrap_socket(plain)

    def exchange(self, data: bytes) -> bytes:
        """All that comes back, up to the server's end of the connection, for these bytes."""
        with self.connect() as connection:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
                connection.sendall(data)
            return everything(connection)

    def statuses(self, data: bytes) -> list[int]:
        """The status codes of all answers to these bytes."""
        return [int(part[:3]) for part in self.exchange(data).split(b"HTTP/1.1 ")[1:]]


def everything(connection: socket.socket) -> bytes:
    """What the peer sends until it closes or resets the connection; fails when it does neither."""
    received = b""
    with contextlib.suppress(ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
        while data := connection.recv(65536):
            received += data
    return received


def answer(connection: socket.socket) -> int:
    """The status of the next answer, whose head comes in one piece."""
    return int(connection.recv(65536).partition(b" ")[2][:3])


class Bystander:
    """Somebody else's client, which asks all the time and remembers how long it ever waited, in seconds."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.worst = 0.0
        self.answers = 0
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=60, context=context())
        with contextlib.closing(connection):
            while not self._stop.wait(0.005) and not self.failures:
                self._ask(connection)

    def _ask(self, connection: http.client.HTTPSConnection) -> None:
        began = time.monotonic()
        try:
            connection.request("GET", "/api/v1/namespaces/default", headers={"Authorization": "Bearer admin-token"})
            found = connection.getresponse()
            found.read()
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(repr(error))
            return
        if found.status != 200:
            self.failures.append(str(found.status))
        self.answers += 1
        self.worst = max(self.worst, time.monotonic() - began)

    def __enter__(self) -> Bystander:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def unharmed(self, *, seconds: float = 1.0) -> None:
        """Nobody waited longer than `seconds`: generous, since the machine has other things to do."""
        asked = self.answers
        while self.answers < asked + 2 and not self.failures:
            self._stop.wait(0.005)
        assert not self.failures
        assert self.worst < seconds


class Process:
    """The server's process, looked at from outside."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def memory(self) -> float:
        """RSS in MB."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * 4096 / 1e6

    def cpu(self) -> float:
        """Seconds used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100


@pytest.fixture(scope="module")
def wire(api: Any) -> Wire:
    return Wire(api.port)


@pytest.fixture(scope="module")
def process(server: Any, api: Any) -> Process:
    return Process(server.pid)


@pytest.fixture
def bystander(api: Any) -> Iterator[Bystander]:
    with Bystander(api.port) as other:
        yield other


@pytest.fixture(scope="module", autouse=True)
def flat(request: pytest.FixtureRequest, process: Process) -> Iterator[None]:
    """The server's memory after all tests of a module is what it was before, give or take `MEMORY` MB."""
    before = process.memory()
    yield
    assert process.memory() < before + request.module.MEMORY
