"""Log records are one line, whatever they are told."""

from __future__ import annotations

import io
import logging

import pytest

from sampan.aio.loglines import FORMAT, OneLine, visible


@pytest.mark.parametrize(
    "text, shown",
    [
        ("plain, also ünicode 日本", "plain, also ünicode 日本"),
        ("a\nb\r\n\tc", "a\\nb\\r\\n\\tc"),
        ("\x1b[2J\x1b]0;t\x07", "\\x1b[2J\\x1b]0;t\\x07"),
        ("\x9b31m\x7f", "\\u009b31m\\u007f"),
        ("a\u2028b\u202eterces", "a\\u2028b\\u202eterces"),
    ],
)
def test_cve_2021_25743_controls_are_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


def logged(*arguments: object, error: Exception | None = None) -> list[str]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(OneLine(FORMAT))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    logger.error("what=%s", *arguments, exc_info=error)
    return stream.getvalue().splitlines()


def test_log_injection_makes_up_no_record() -> None:
    lines = logged("ok\n2026-01-01 00:00:00,000 INFO forged all is well")
    assert len(lines) == 1
    assert lines[0].endswith("ERROR test what=ok\\n2026-01-01 00:00:00,000 INFO forged all is well")


def test_a_tracebacks_lines_are_indented() -> None:
    try:
        raise ValueError("a\n2026-01-01 00:00:00,000 INFO forged\x1b[2J")
    except ValueError as error:
        first, *rest = logged("x", error=error)
    assert first.endswith("what=x")
    assert rest[-1] == "    2026-01-01 00:00:00,000 INFO forged\\x1b[2J"
    assert all(line.startswith("    ") for line in rest)
