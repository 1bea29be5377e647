"""Clients that race, and watchers that keep what they saw: over SQLite, and at two servers over one etcd."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from sampan.testing import etcd

from ..conftest import Api, Process

TOKEN = "Bearer admin-token"


def context() -> ssl.SSLContext:
    made = ssl.create_default_context()
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


class Client:
    """One connection of one client."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context())

    def __call__(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        self._connection.request(method, path, data, {"Authorization": TOKEN, "Content-Type": kind})
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())

    def close(self) -> None:
        self._connection.close()


class Watch:
    """A watch from a revision on; `until` reads on to an event of a revision, without a timeout of the server's."""

    def __init__(self, port: int, path: str, revision: str) -> None:
        self._socket = context().wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=30))
        sign = "&" if "?" in path else "?"
        target = f"{path}{sign}watch=1&resourceVersion={revision}"
        self._socket.sendall(f"GET {target} HTTP/1.0\r\nHost: x\r\nAuthorization: {TOKEN}\r\n\r\n".encode())
        self._file = self._socket.makefile("rb")
        while self._file.readline() not in (b"\r\n", b""):
            pass
        self.events: list[dict[str, Any]] = []

    def until(self, revision: int) -> list[dict[str, Any]]:
        """All events so far, when one of `revision` is among them."""
        while not self.events or revision_of(self.events[-1]["object"]) < revision:
            line = self._file.readline()
            assert line, "the watch ended"
            self.events.append(json.loads(line))
        return self.events

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def revision_of(obj: dict[str, Any]) -> int:
    return int(obj["metadata"]["resourceVersion"])


@pytest.fixture(scope="module", params=["sqlite", "etcd"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """As everywhere, once over each store."""
    with contextlib.ExitStack() as stack:
        process = Process(tmp_path_factory.mktemp(request.param), *_store(request.param, stack))
        stack.callback(process.stop)
        yield process


def _store(name: str, stack: contextlib.ExitStack) -> tuple[str, ...]:
    """The arguments for a store, which lives as long as the stack."""
    if name == "sqlite":
        return ()
    if not etcd.available():
        pytest.skip("no etcd on this machine: install the package etcd-server")
    return ("--store", f"etcd={stack.enter_context(etcd.cluster()).endpoints[0]}")


@pytest.fixture(scope="module")
def ports(server: Process, api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[int]]:
    """Of all servers over the store: two where there may be more than one."""
    if not server.arguments:
        yield [api.port]
        return
    other = Process(tmp_path_factory.mktemp("other"), *server.arguments)
    yield [api.port, other.start().port]
    other.stop()


@pytest.fixture
def clients(ports: list[int]) -> Iterator[Any]:
    """Makes clients and watches, each at the next server, and closes them."""
    turn = itertools.cycle(ports)
    with contextlib.ExitStack() as stack:

        class Made:
            @staticmethod
            def client() -> Client:
                return stack.enter_context(contextlib.closing(Client(next(turn))))

            @staticmethod
            def watch(path: str, revision: str | int) -> Watch:
                return stack.enter_context(contextlib.closing(Watch(next(turn), path, str(revision))))

        yield Made
