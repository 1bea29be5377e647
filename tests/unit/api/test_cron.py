"""Cron schedules and what is wrong with them."""

from __future__ import annotations

import time

import pytest

from sampan.api.cron import CronError, parse


def test_fields_are_sets_of_numbers() -> None:
    schedule = parse("*/20 9-17/4 1,15 jan-mar mon")
    assert schedule.minutes == {0, 20, 40}
    assert schedule.hours == {9, 13, 17}
    assert schedule.days == {1, 15}
    assert schedule.months == {1, 2, 3}
    assert schedule.weekdays == {1}
    assert not schedule.any_day


def test_words() -> None:
    assert parse("@hourly") == parse("0 * * * *")
    assert parse("@every 1h30m").every_seconds == 5400


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("* * *", "expected exactly 5 fields, found 3: [* * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("@never", "unrecognized descriptor: @never"),
    ],
)
def test_what_cannot_be_read_is_told(text: str, message: str) -> None:
    with pytest.raises(CronError) as caught:
        parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "text, says",
    [
        ("@every " + "1" * 200_000, "invalid duration"),
        ("@every " + "1" * 400 + "h", "invalid duration"),
        ("@every 1h.s", "invalid duration"),
        ("* * * * " + "1" * 5000, "value out of range"),
        ("* * * * " + "0" * 5000 + "9", "above maximum"),
    ],
)
def test_long_numbers_are_refused_soon(text: str, says: str) -> None:
    began = time.process_time()
    with pytest.raises(CronError, match=says):
        parse(text)
    assert time.process_time() - began < 1.0
