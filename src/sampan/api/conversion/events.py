"""Events of the core group and of events.k8s.io: the same fields under other names (KEP-383)."""

from __future__ import annotations

from typing import Any

NAMES = (
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
)


def _rename(plain: dict[str, Any], pairs: tuple[tuple[str, str], ...]) -> None:
    for before, after in pairs:
        if before in plain:
            plain[after] = plain.pop(before)


def to_events(plain: dict[str, Any]) -> None:
    _rename(plain, NAMES)


def to_core(plain: dict[str, Any]) -> None:
    _rename(plain, tuple((new, old) for old, new in NAMES))


WAYS = {("Event", "v1", "events.k8s.io/v1"): to_events, ("Event", "events.k8s.io/v1", "v1"): to_core}
