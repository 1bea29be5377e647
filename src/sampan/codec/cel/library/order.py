"""Comparing quantities, and versions: functions that both have."""

from __future__ import annotations

from decimal import Decimal
from typing import Any


def compare(one: Any, other: Any) -> int:
    """-1, 0 or 1."""
    first, second = _order(one), _order(other)
    return (first > second) - (first < second)


def is_less(one: Any, other: Any) -> bool:
    return compare(one, other) < 0


def is_greater(one: Any, other: Any) -> bool:
    return compare(one, other) > 0


def _order(value: Any) -> Any:
    return Decimal(value.text) if value.DESCRIPTOR.name == "Quantity" else precedence(value.text)


def precedence(version: str) -> tuple[Any, ...]:
    """What a version is ordered by (Semantic Versioning 2.0.0, section 11): without a pre-release it is the later;
    identifiers that are numbers come first, by their value.
    """
    numbers, _, before = version.partition("-")
    identifiers = tuple((not part.isdigit(), int(part) if part.isdigit() else part) for part in before.split("."))
    return tuple(map(int, numbers.split("."))), not before, identifiers if before else ()
