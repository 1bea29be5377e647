"""What is logged of a request, and what is not."""

from __future__ import annotations

import logging
import random
import uuid

import pytest

from sampan.apiserver import requestlog
from sampan.apiserver.auth.user import User
from sampan.apiserver.http.exchange import Exchange, Response
from sampan.apiserver.request import Request
from sampan.apiserver.requestlog import RequestLog, identity, line, quoted
from sampan.apiserver.routes import Target


def request(path: str = "/api/v1/pods", **headers: str) -> Request:
    named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    exchange = Exchange(method="GET", target=f"{path}?secret=1", headers=named, identity=b"me")
    target = Target(path, {"secret": "1"})
    target.verb, target.plural = "list", "pods"
    made = Request(None, exchange, target, 0.0)  # type: ignore[arg-type]
    made.user = User("admin")
    return made


def test_an_identity_is_the_clients_or_a_new_uuid() -> None:
    rng = random.Random(1)
    made = [identity({}, rng) for _ in range(200)]
    assert len(set(made)) == 200
    for text in made:
        found = uuid.UUID(text.decode())
        assert (found.version, found.variant) == (4, uuid.RFC_4122)
    assert identity({b"audit-id": b"mine"}, rng) == b"mine"
    assert identity({}, random.Random(1)) == made[0]


def test_a_line() -> None:
    assert line(request(user_agent="kubectl/1"), Response(200, b"four"), 0.0123) == (
        'id="me" method=GET path="/api/v1/pods" user="admin" verb="list" resource="pods" code=200 latency=12.3ms '
        'size=4 agent="kubectl/1"'
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", '"plain"'),
        ('a"b\\', '"a\\"b\\\\"'),
        ("a\nb\r\t", '"a\\nb\\r\\t"'),
        ("\x1b[31m\x7f\x00", '"\\u001b[31m\\u007f\\u0000"'),
        ("\u2028\x85é", '"\\u2028\\u0085\\u00e9"'),
        ("a" * 1000, '"' + "a" * requestlog.LONGEST + '"'),
    ],
)
def test_quoting(text: str, shown: str) -> None:
    assert quoted(text) == shown


@pytest.mark.parametrize(
    ("verbosity", "status", "seconds", "level"),
    [
        (0, 200, 0.1, None),
        (2, 404, 0.1, None),
        (0, 200, requestlog.SLOW_SECONDS, "WARNING"),
        (0, 500, 0.0, "WARNING"),
        (3, 200, 0.0, "INFO"),
        (9, 503, 0.0, "WARNING"),
    ],
)
def test_which_requests(
    caplog: pytest.LogCaptureFixture, verbosity: int, status: int, seconds: float, level: str | None
) -> None:
    before = requestlog.log.level
    try:
        with caplog.at_level(logging.INFO):
            RequestLog(verbosity).answered(request(), Response(status, b""), seconds)
    finally:
        requestlog.log.setLevel(before)
    assert [record.levelname for record in caplog.records] == ([level] if level else [])
