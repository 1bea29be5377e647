"""When a cron expression (`sampan.api.cron`) is due, in a time zone. Pure.

When both days, of the month and of the week, are restricted, a day that matches either counts. In a zone with
daylight saving, an hour that does not exist is skipped and one that comes twice counts twice, so that what runs every
few minutes has no gap. Source: CronJob concepts page, "Schedule syntax" and "Time zones".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sampan.api import cron

HORIZON_DAYS = 366 * 5


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
    try:
        found = cron.parse(expression.strip())
    except cron.CronError as error:
        raise ScheduleError(str(error)) from error
    if found.every_seconds:
        return Every(found.every_seconds)
    return Schedule(
        minutes=found.minutes,
        hours=found.hours,
        days=found.days,
        months=found.months,
        weekdays=found.weekdays,
        either_day=not (found.any_day or found.any_weekday),
        zone=_zone(zone),
    )


def _zone(name: str | None) -> tzinfo:
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownZone(f"unknown time zone {name}") from error
