"""Numbers within bounds, and numbers that may be percentages."""

from __future__ import annotations

import re

from sampan.api.errors import FieldError
from sampan.api.validation.problems import invalid

Errors = list[FieldError]

LARGEST = 2**31 - 1
NOT_NEGATIVE = "must be greater than or equal to 0"
PERCENT_FORM = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
    "validation is '[0-9]+%')"
)
_PERCENT = re.compile(r"[0-9]+%")


def between(low: int, high: int) -> str:
    return f"must be between {low} and {high}, inclusive"


def not_negative(value: int | None, errors: Errors, path: str) -> None:
    if value is not None and value < 0:
        errors.append(invalid(path, value, NOT_NEGATIVE))


def within(value: int | None, low: int, high: int, errors: Errors, path: str) -> None:
    if value is not None and not low <= value <= high:
        errors.append(invalid(path, value, between(low, high)))


def identity(value: int | None, errors: Errors, path: str) -> None:
    """A user's or group's number."""
    if value is not None and not 0 <= value <= LARGEST:
        errors.append(invalid(path, value, between(0, LARGEST)))


def not_negative_or_percent(value: int | str | None, errors: Errors, path: str) -> None:
    if isinstance(value, str):
        if not _PERCENT.fullmatch(value):
            errors.append(invalid(path, value, PERCENT_FORM))
    elif value is not None:
        not_negative(value, errors, path)


def percent_of(value: int | str | None) -> int | None:
    """The number of a well-formed percentage, None for anything else."""
    return int(value[:-1]) if isinstance(value, str) and _PERCENT.fullmatch(value) else None


def not_more_than_100_percent(value: int | str | None, errors: Errors, path: str) -> None:
    percent = percent_of(value)
    if percent is not None and percent > 100:
        errors.append(invalid(path, value, "must not be greater than 100%"))
