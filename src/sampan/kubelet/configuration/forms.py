"""The forms that a field's value has in a KubeletConfiguration, and as the kubelet keeps it: pure.

A form reads the file's value, raising ValueError with what is wrong, and shows the kubelet's own in the file's way.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from sampan.api import quantity
from sampan.api.durations import read_duration

MOST_ENTRIES = 1000


class Form(NamedTuple):
    read: Callable[[Any], Any]
    show: Callable[[Any], Any]


def same(value: Any) -> Any:
    return value


def show_duration(seconds: float) -> str:
    """As Go prints it: "1h30m0s", "15s", "500ms"."""
    if 0 < seconds < 1:
        return f"{round(seconds * 1000)}ms"
    whole, rest = int(seconds), round(seconds % 1, 3)
    hours, minutes, left = whole // 3600, whole % 3600 // 60, whole % 60
    end = f"{left + rest:g}s"
    if hours:
        return f"{hours}h{minutes}m{end}"
    return f"{minutes}m{end}" if minutes else end


def read_integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not -(1 << 63) <= value < 1 << 63:
        raise ValueError("must be a whole number")
    return value


def read_boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def read_text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 4096:
        raise ValueError("must be a text")
    return value


def read_path(value: Any) -> Path | None:
    return Path(read_text(value)) if value else None


def read_list(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MOST_ENTRIES:
        raise ValueError("must be a list of texts")
    return tuple(read_text(item) for item in value)


def read_map(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > MOST_ENTRIES:
        raise ValueError("must be a map of texts")
    return {read_text(key): read_text(item) for key, item in value.items()}


def read_amounts(value: Any) -> dict[str, str]:
    """Resources with quantities."""
    found = read_map(value)
    for name, amount in found.items():
        try:
            below = quantity.parse(amount).value < 0
        except quantity.QuantityError:
            raise ValueError(f"has no quantity for {name}: {amount!r}") from None
        if below:
            raise ValueError(f"has less than nothing for {name}")
    return found


def read_durations(value: Any) -> dict[str, float]:
    return {name: read_duration(text) for name, text in read_map(value).items()}


def read_size(value: Any) -> int:
    """Bytes of "10Mi"."""
    try:
        found = quantity.units(read_text(value))
    except quantity.QuantityError:
        raise ValueError("must be a quantity such as 10Mi") from None
    if found <= 0:
        raise ValueError("must be more than nothing")
    return found


def choice(*allowed: str) -> Form:
    def read(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return str(value)

    return Form(read, same)


def between(least: float, most: float) -> Form:
    def read(value: Any) -> int:
        if not least <= read_integer(value) <= most:
            raise ValueError(f"must be from {least} to {most}")
        return int(value)

    return Form(read, show_integer)


def show_integer(value: float | None) -> int:
    return int(value or 0)


def show_path(value: Path | None) -> str:
    return str(value) if value is not None else ""


SWITCH = Form(read_boolean, same)
INTEGER = Form(read_integer, show_integer)
TEXT = Form(read_text, same)
PATH = Form(read_path, show_path)
LIST = Form(read_list, list)
MAP = Form(read_map, dict)
AMOUNTS = Form(read_amounts, dict)
TIME = Form(read_duration, show_duration)
TIMES = Form(read_durations, lambda found: {name: show_duration(seconds) for name, seconds in found.items()})
SIZE = Form(read_size, lambda amount: quantity.canonical(f"{amount // 1024}Ki"))
PERCENT = between(0, 100)
PORT = between(0, 65535)
EVICTION = Form(read_map, dict)
