"""One kept connection, and what no answer may be."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import ssl
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

UPSTREAM = (
    (504, r"^Timeout: Too large resource version: \d+, current: \d+$"),
    (500, r"(?s)^map: .* does not contain declared merge key: "),
    (500, r"(?s)^unknown patch type: .* in map: "),
    (500, r"(?s)^failed to create typed patch object .*: field not declared in schema"),
    (500, r"(?s)^failed to create typed patch object .*: duplicate entries for key \["),
)
"""The 5xx that upstream was recorded to give for what a client got wrong; each of these has no reason but the first.

In shared/reference/behaviour: list-table/resourceVersion=999999999, strategic/null-key, strategic/bad-directive and
ssa/bad (twice).
"""


class Client:
    """Sends a request over a connection that it keeps; an answer that the server must never give is an error."""

    def __init__(self, port: int) -> None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.statuses: Counter[int] = Counter()
        self._connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)

    def __call__(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> int:
        headers = {"Authorization": "Bearer admin-token", "Content-Type": kind}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        self.statuses[answer.status] += 1
        check(answer.status, text)
        return answer.status

    def close(self) -> None:
        self._connection.close()


def check(status: int, text: bytes) -> None:
    """No 5xx but upstream's own; every refusal says who, what and why."""
    told = json.loads(text) if text[:1] == b"{" else {}
    if status >= 500:
        message = told.get("message", "")
        assert any(status == code and re.search(words, message) for code, words in UPSTREAM), text[:2000]
        assert "reason" not in told or status == 504, told
    if status >= 400 and told:
        assert told["kind"] == "Status", told
        assert told["code"] == status, told
        assert told["message"], told


@pytest.fixture(scope="module")
def client(api: Any, server: Any) -> Iterator[Client]:
    with contextlib.closing(Client(api.port)) as made:
        yield made
    assert made.statuses[200] > 50, made.statuses
    assert sum(count for status, count in made.statuses.items() if 400 <= status < 500) > 50, made.statuses
    assert "Traceback" not in server.log()


@pytest.fixture(scope="module")
def judge() -> Any:
    """Of an answer somebody else got."""
    return check
