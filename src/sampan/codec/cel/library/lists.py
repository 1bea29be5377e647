"""Lists of values that can be ordered or added up, and the places of values in lists.

What the items are is looked at when they are there: the implementation of the language tells lists apart by nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sampan.codec.cel.library.function import Function

MOST = 2**63
ADDED: tuple[type, ...] = (int, float, timedelta)
ORDERED: tuple[type, ...] = (*ADDED, bool, str, bytes, datetime)


def is_sorted(values: list[Any]) -> bool:
    _alike(values, ORDERED)
    return all(before <= after for before, after in pairwise(values))


def smallest(values: list[Any]) -> Any:
    return _told(min(_some(values, "min")))


def largest(values: list[Any]) -> Any:
    return _told(max(_some(values, "max")))


def total(values: list[Any]) -> Any:
    start: Any = timedelta() if _alike(values, ADDED) is timedelta else 0
    found = sum(values, start)
    if isinstance(found, int) and not -MOST <= found < MOST:
        raise ValueError("integer overflow")
    return _told(found)


def _some(values: list[Any], name: str) -> list[Any]:
    if not values:
        raise ValueError(f"{name} called on empty list")
    _alike(values, ORDERED)
    return values


def _alike(values: list[Any], kinds: tuple[type, ...]) -> type | None:
    """The one kind that all are of. Raises ValueError."""
    found = {type(value) for value in values}
    if len(found) > 1 or not found <= set(kinds):
        raise ValueError("no such overload: the items are not of one kind that this can be done with")
    return next(iter(found), None)


def _told(value: Any) -> Any:
    """Times as the messages that the language takes them as."""
    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.timestamp_pb2 import Timestamp

    if isinstance(value, timedelta):
        duration = Duration()
        duration.FromTimedelta(value)
        return duration
    if isinstance(value, datetime):
        timestamp = Timestamp()
        timestamp.FromDatetime(value)
        return timestamp
    return value


def first_place(values: list[Any], wanted: Any) -> int:
    return next((at for at, value in enumerate(values) if _same(value, wanted)), -1)


def last_place(values: list[Any], wanted: Any) -> int:
    return next((at for at in reversed(range(len(values))) if _same(values[at], wanted)), -1)


def _same(one: Any, other: Any) -> bool:
    """Python takes true for 1; the language does not."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


FUNCTIONS = (
    Function("isSorted", "bool", ("list(dyn)",), is_sorted),
    Function("min", "dyn", ("list(dyn)",), smallest),
    Function("max", "dyn", ("list(dyn)",), largest),
    Function("sum", "dyn", ("list(dyn)",), total),
    Function("indexOf", "int", ("list(dyn)", "dyn"), first_place, also=True),
    Function("lastIndexOf", "int", ("list(dyn)", "dyn"), last_place, also=True),
)
