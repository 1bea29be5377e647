"""Cron schedules: five fields, or one of the `@` words.

Each field is a set of numbers: lists of values, ranges and steps; months and weekdays also by name (crontab(5)). A
schedule that cannot be read raises CronError in the words of the library that upstream uses (robfig/cron v3), since
they are shown to users.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sampan.api.durations import DURATIONS, read_duration

MONTHS = {
    n: i for i, n in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)
}
DAYS = {n: i for i, n in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
LONGEST_SECONDS = 2**63 / 1e9
MOST_DIGITS = 19


class CronError(ValueError):
    """The schedule cannot be read."""


@dataclass(frozen=True, slots=True)
class Bounds:
    low: int
    high: int
    names: dict[str, int]


FIELDS = (
    Bounds(0, 59, {}),
    Bounds(0, 23, {}),
    Bounds(1, 31, {}),
    Bounds(1, 12, MONTHS),
    Bounds(0, 6, DAYS),
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The minutes at which something is due; `any_day` and `any_weekday` tell a `*` from a full list.

    `every_seconds` is set instead of the rest for `@every`.
    """

    minutes: frozenset[int] = frozenset()
    hours: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    any_day: bool = False
    any_weekday: bool = False
    every_seconds: float = 0.0


def parse(text: str) -> Schedule:
    """The schedule that a text denotes; raises CronError."""
    if not text:
        raise CronError("empty spec string")
    if text.startswith("@"):
        return _word(text)
    fields = text.split()
    if len(fields) != len(FIELDS):
        raise CronError(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    sets = [_field(field, bounds) for field, bounds in zip(fields, FIELDS, strict=True)]
    return Schedule(
        minutes=sets[0],
        hours=sets[1],
        days=sets[2],
        months=sets[3],
        weekdays=sets[4],
        any_day=_starred(fields[2]),
        any_weekday=_starred(fields[4]),
    )


def _starred(field: str) -> bool:
    """`*/2` is a restriction like any other."""
    return any(part in ("*", "?", "*/1", "?/1") for part in field.split(","))


def _word(text: str) -> Schedule:
    if text in WORDS:
        return parse(WORDS[text])
    if text.startswith("@every "):
        return Schedule(every_seconds=_duration(text.removeprefix("@every "), text))
    raise CronError(f"unrecognized descriptor: {text}")


def _duration(text: str, whole: str) -> float:
    if not DURATIONS.fullmatch(text) or (seconds := read_duration(text)) >= LONGEST_SECONDS:
        raise CronError(f'failed to parse duration {whole}: time: invalid duration "{text}"')
    return max(1.0, float(int(seconds)))


def _field(field: str, bounds: Bounds) -> frozenset[int]:
    return frozenset().union(*(_range(part, bounds) for part in field.split(",") if part))


def _range(text: str, bounds: Bounds) -> frozenset[int]:
    head, *step_part = text.split("/")
    low_text, *high_part = head.split("-")
    if low_text in ("*", "?"):
        low, high = bounds.low, bounds.high
    else:
        low = _number(low_text, bounds)
        if len(high_part) > 1:
            raise CronError(f"too many hyphens: {text}")
        high = _number(high_part[0], bounds) if high_part else low
    step = 1
    if len(step_part) > 1:
        raise CronError(f"too many slashes: {text}")
    if step_part:
        step = _integer(step_part[0])
        if not high_part and low_text not in ("*", "?"):
            high = bounds.high
    if low < bounds.low:
        raise CronError(f"beginning of range ({low}) below minimum ({bounds.low}): {text}")
    if high > bounds.high:
        raise CronError(f"end of range ({high}) above maximum ({bounds.high}): {text}")
    if low > high:
        raise CronError(f"beginning of range ({low}) beyond end of range ({high}): {text}")
    if step == 0:
        raise CronError(f"step of range should be a positive number: {text}")
    return frozenset(range(low, high + 1, step))


def _number(text: str, bounds: Bounds) -> int:
    named = bounds.names.get(text.lower())
    return named if named is not None else _integer(text)


def _integer(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", text, re.ASCII):
        raise CronError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    digits = text.lstrip("+-").lstrip("0") or "0"
    if len(digits) > MOST_DIGITS:
        raise CronError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": value out of range')
    number = -int(digits) if text.startswith("-") else int(digits)
    if number < 0:
        raise CronError(f"negative number ({number}) not allowed: {text}")
    return number
