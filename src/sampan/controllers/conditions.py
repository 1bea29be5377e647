"""Conditions in a status: find, set, remove. A condition's transition time moves only when its status does. Pure.

Works on any condition Struct with type, status, reason, message and lastTransitionTime (API conventions, "typical
status properties").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sampan.aio.clock import timestamp


def find(conditions: Sequence[Any] | None, type: str) -> Any:
    """The condition of that type, or None."""
    for condition in conditions or ():
        if condition.type == type:
            return condition
    return None


def is_true(conditions: Sequence[Any] | None, type: str) -> bool:
    found = find(conditions, type)
    return found is not None and found.status == "True"


def without(conditions: Sequence[Any] | None, type: str) -> list[Any]:
    return [condition for condition in conditions or () if condition.type != type]


def put(
    conditions: Sequence[Any] | None, struct: Any, type: str, status: str, reason: str, message: str, now: float
) -> list[Any]:
    """The list with that condition set; a condition that says the same already is left as it is, in its place."""
    old = find(conditions, type)
    if old is not None and (old.status, old.reason, old.message) == (status, reason, message):
        return list(conditions or ())
    since = old.lastTransitionTime if old is not None and old.status == status else timestamp(now)
    new = struct(type=type, status=status, reason=reason, message=message, lastTransitionTime=since)
    if old is None:
        return [*(conditions or ()), new]
    return [new if condition is old else condition for condition in conditions or ()]


def same(one: Any, other: Any) -> bool:
    """Whether two statuses say the same: a field that is absent, zero or empty is all one."""
    if one is None or other is None:
        return one is other
    return all((getattr(one, name) or None) == (getattr(other, name) or None) for name in one.__struct_fields__)
