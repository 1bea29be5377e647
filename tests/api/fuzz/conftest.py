"""One kept connection, and what no answer may be."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

TOO_NEW = "Too large resource version"


class Client:
    """Sends a request over a connection that it keeps; an answer that the server must never give is an error."""

    def __init__(self, port: int) -> None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)

    def __call__(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> int:
        headers = {"Authorization": "Bearer admin-token", "Content-Type": kind}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        check(answer.status, text)
        return answer.status

    def close(self) -> None:
        self._connection.close()


def check(status: int, text: bytes) -> None:
    """No 5xx; every refusal says who, what and why.

    Two exceptions, which are upstream's answers and recorded from it: 504 while a revision has not been reached, and
    500 without a reason for a patch or configuration that does not fit its type. A failure of the server's own has the
    reason InternalError.
    """
    if status >= 500:
        told = json.loads(text)
        refused_patch = status == 500 and "reason" not in told
        assert refused_patch or TOO_NEW in told["message"], text[:2000]
    if status >= 400 and text[:1] == b"{":
        told = json.loads(text)
        assert told["kind"] == "Status", told
        assert told["code"] == status, told
        assert told["message"], told


@pytest.fixture(scope="module")
def client(api: Any, server: Any) -> Iterator[Client]:
    with contextlib.closing(Client(api.port)) as made:
        yield made
    assert "Traceback" not in server.log()


@pytest.fixture(scope="module")
def judge() -> Any:
    """Of an answer somebody else got."""
    return check
