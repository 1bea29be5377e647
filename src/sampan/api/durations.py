"""Lengths of time as upstream's configuration files write them (Go's time.ParseDuration)."""

from __future__ import annotations

import re
from typing import Any

DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
DURATIONS = re.compile(rf"(?:{DURATION.pattern})+")
"""All of a text, which is found out first: looking for parts in one that has none costs the square of its length."""
SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def read_duration(value: Any) -> float:
    """Seconds of "1h30m", "15s", "0s"; or a plain 0."""
    text = str(value)
    if text == "0":
        return 0.0
    if not isinstance(value, str) or not DURATIONS.fullmatch(text):
        raise ValueError("must be a duration such as 15s or 1h30m")
    return sum(float(number) * SECONDS[unit] for number, unit in DURATION.findall(text))
