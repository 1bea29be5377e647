"""Times as the API reads and writes them: RFC 3339 in, UTC out.

`metav1.Time` has whole seconds (`2026-01-01T00:00:00Z`), `metav1.MicroTime` six decimals. What cannot be read is told
in upstream's words, which are those of Go's `time.Parse`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

SECONDS = "2006-01-02T15:04:05Z07:00"
MICROSECONDS = "2006-01-02T15:04:05.000000Z07:00"
_CANONICAL = re.compile(r"\d{4}-\d\d-\d\dT[012]\d:[0-5]\d:[0-5]\dZ", re.ASCII)
_CANONICAL_MICRO = re.compile(r"\d{4}-\d\d-\d\dT[012]\d:[0-5]\d:[0-5]\d\.\d{6}Z", re.ASCII)
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)", re.ASCII)


class TimeError(ValueError):
    """The text is no RFC 3339 time."""


def canonical_time(text: str) -> str:
    """The time in UTC with whole seconds; raises TimeError."""
    if _CANONICAL.fullmatch(text):
        return text
    return _utc(text, SECONDS).strftime("%Y-%m-%dT%H:%M:%SZ")


def canonical_micro_time(text: str) -> str:
    """The time in UTC with six decimals; raises TimeError."""
    if _CANONICAL_MICRO.fullmatch(text):
        return text
    return _utc(text, MICROSECONDS).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _utc(text: str, layout: str) -> datetime:
    match = _RFC3339.fullmatch(text)
    if match is None:
        if begun := _RFC3339.match(text):
            raise TimeError(f'parsing time "{text}": extra text: "{text[begun.end() :]}"')
        raise TimeError(f'parsing time "{text}" as "{layout}": cannot parse "{_unread(text)}" as "{_expected(text)}"')
    whole, fraction, zone = match.groups()
    try:
        time = datetime.fromisoformat(whole + ("+00:00" if zone == "Z" else zone))
    except ValueError as error:
        raise TimeError(f'parsing time "{text}": {error}') from None
    return time.astimezone(UTC).replace(microsecond=int((fraction or "0")[:6].ljust(6, "0")))


def _unread(text: str) -> str:
    """What is left of the text where reading it fails, for the first parts of the layout."""
    for part in (r"\d{4}", "-", r"\d\d", "-", r"\d\d", "T", r"\d\d", ":", r"\d\d", ":", r"\d\d"):
        match = re.match(part, text, re.ASCII)
        if match is None:
            break
        text = text[match.end() :]
    return text


def _expected(text: str) -> str:
    parts = ("2006", "-", "01", "-", "02", "T", "15", ":", "04", ":", "05")
    forms = (r"\d{4}", "-", r"\d\d", "-", r"\d\d", "T", r"\d\d", ":", r"\d\d", ":", r"\d\d")
    for part, form in zip(parts, forms, strict=True):
        match = re.match(form, text, re.ASCII)
        if match is None:
            return part
        text = text[match.end() :]
    return "Z07:00"
