"""Cron expressions: five fields, or a nickname, in a time zone. Pure.

Minute, hour, day of month, month and day of week; each `*` or `?`, a number or name, a range, a step (`*/15`,
`8-18/2`), or several joined by commas. When both days are restricted a day that matches either counts. In a zone with
daylight saving, an hour that does not exist is skipped and one that comes twice counts twice, so that what runs every
few minutes has no gap. Source: CronJob concepts page, "Schedule syntax" and "Time zones".
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}
DAYS = {name.lower(): (number + 1) % 7 for number, name in enumerate(calendar.day_abbr)}
HORIZON_DAYS = 366 * 5
EVERY = "@every "


class ScheduleError(ValueError):
    """The expression or the time zone cannot be read; the message says why."""


class UnknownZone(ScheduleError):
    """There is no time zone of that name here."""


@dataclass(frozen=True)
class Schedule:
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool
    zone: tzinfo

    def after(self, moment: float) -> float | None:
        """The first time (epoch seconds) later than `moment`; None when there is none within five years."""
        here = datetime.fromtimestamp(moment, self.zone)
        day = here.date()
        for offset in range(HORIZON_DAYS):
            date = day + timedelta(days=offset)
            if date.month in self.months and self._on(date.day, date.isoweekday() % 7):
                found = self._within(date.year, date.month, date.day, moment)
                if found is not None:
                    return found
        return None

    def _on(self, day: int, weekday: int) -> bool:
        of_month, of_week = day in self.days, weekday in self.weekdays
        return of_month or of_week if self.either_day else of_month and of_week

    def _within(self, year: int, month: int, day: int, moment: float) -> float | None:
        """The first time of that day later than `moment`."""
        for hour in sorted(self.hours):
            for fold in (0, 1):
                for minute in sorted(self.minutes):
                    stamp = _stamp(datetime(year, month, day, hour, minute, fold=fold, tzinfo=self.zone))
                    if stamp is not None and stamp > moment:
                        return stamp
        return None


def _stamp(local: datetime) -> float | None:
    """None for a time that does not exist, and for the second pass of one that comes once."""
    stamp = local.timestamp()
    if local.fold and local.replace(fold=0).timestamp() == stamp:
        return None
    there = datetime.fromtimestamp(stamp, local.tzinfo)
    return stamp if (there.hour, there.minute) == (local.hour, local.minute) else None


@dataclass(frozen=True)
class Every:
    """`@every 1h30m`: a fixed distance, counted from the moment asked about."""

    seconds: float

    def after(self, moment: float) -> float | None:
        return float(int(moment) + self.seconds)


def parse(expression: str, zone: str | None = None) -> Schedule | Every:
    """Raises ScheduleError."""
    if expression.startswith(("TZ=", "CRON_TZ=")):
        named, _, expression = expression.partition(" ")
        zone = named.partition("=")[2]
    expression = expression.strip()
    if expression.startswith(EVERY):
        return Every(_duration(expression.removeprefix(EVERY)))
    fields = NICKNAMES.get(expression, expression).split()
    if len(fields) != 5:
        raise ScheduleError(f"expected exactly 5 fields, found {len(fields)}: {expression!r}")
    minute, hour, day, month, weekday = fields
    return Schedule(
        minutes=_field(minute, 0, 59),
        hours=_field(hour, 0, 23),
        days=_field(day, 1, 31),
        months=_field(month, 1, 12, MONTHS),
        weekdays=_field(weekday, 0, 6, DAYS),
        either_day=not (_open(day) or _open(weekday)),
        zone=_zone(zone),
    )


def _open(field: str) -> bool:
    return field[0] in "*?"


def _field(text: str, low: int, high: int, names: dict[str, int] | None = None) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        if slash and not (step.isdecimal() and int(step)):
            raise ScheduleError(f"bad step in {part!r}")
        if span in ("*", "?"):
            first, last = low, high
        else:
            start, dash, end = span.partition("-")
            first = _number(start, names)
            last = _number(end, names) if dash else high if slash else first
        if not low <= first <= last <= high:
            raise ScheduleError(f"{part!r} is not within {low}-{high}")
        found.update(range(first, last + 1, int(step or 1)))
    return frozenset(found)


def _number(text: str, names: dict[str, int] | None) -> int:
    number = (names or {}).get(text.lower())
    if number is None and not text.isdecimal():
        raise ScheduleError(f"failed to parse int from {text!r}")
    return int(text) if number is None else number


def _duration(text: str) -> float:
    units = {"h": 3600.0, "m": 60.0, "s": 1.0}
    total, digits = 0.0, ""
    for character in text.strip():
        if character in units and digits:
            total += float(digits) * units[character]
            digits = ""
        elif character.isdecimal() or character == ".":
            digits += character
        else:
            raise ScheduleError(f"bad duration {text!r}")
    if digits or total < 1:
        raise ScheduleError(f"bad duration {text!r}")
    return total


def _zone(name: str | None) -> tzinfo:
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownZone(f"unknown time zone {name}") from error
