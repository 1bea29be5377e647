"""Clients that race, and watchers that keep what they saw."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

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


@pytest.fixture
def clients(api: Any) -> Iterator[Any]:
    """Makes clients and watches, and closes them."""
    with contextlib.ExitStack() as stack:

        class Made:
            @staticmethod
            def client() -> Client:
                return stack.enter_context(contextlib.closing(Client(api.port)))

            @staticmethod
            def watch(path: str, revision: str | int) -> Watch:
                return stack.enter_context(contextlib.closing(Watch(api.port, path, str(revision))))

        yield Made
