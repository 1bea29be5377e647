"""What the fuzzers hold every answer against: shown here that it says no."""

from __future__ import annotations

import json
from typing import Any

import pytest


def status(code: int, message: str, **more: Any) -> tuple[int, bytes]:
    return code, json.dumps({"kind": "Status", "code": code, "message": message, **more}).encode()


@pytest.mark.parametrize(
    "answer",
    [
        status(500, "Internal error occurred", reason="InternalError"),
        status(500, "list element types are not identical"),
        status(500, "unknown patch type: x in map: map[$patch:x]", reason="InternalError"),
        status(503, "the store does not answer", reason="ServiceUnavailable"),
        status(504, "request did not complete", reason="Timeout"),
        (500, b"Traceback (most recent call last):"),
        (400, b'{"kind":"Status","code":422,"message":"x"}'),
        (400, b'{"kind":"Status","code":400,"message":""}'),
    ],
)
def test_is_an_error(judge: Any, answer: tuple[int, bytes]) -> None:
    with pytest.raises(AssertionError):
        judge(*answer)


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"{}"),
        status(400, "no", reason="BadRequest"),
        status(500, "unknown patch type: x in map: map[$patch:x]"),
        status(504, "Timeout: Too large resource version: 9, current: 1", reason="Timeout"),
    ],
)
def test_is_an_answer(judge: Any, answer: tuple[int, bytes]) -> None:
    judge(*answer)
