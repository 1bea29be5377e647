"""Lists and maps that are not judged in detail when they are too long."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from sampan.api.errors import FieldError
from sampan.api.validation.problems import duplicate, too_many

Errors = list[FieldError]
Judge = Callable[[Any, Errors, str], None]


def members(given: Sequence[Any] | None, most: int, judge: Judge, errors: Errors, path: str) -> bool:
    """Each member, unless there are more than `most`; whether they were judged."""
    given = given or ()
    if len(given) > most:
        errors.append(too_many(path, len(given), most))
        return False
    for index, each in enumerate(given):
        judge(each, errors, f"{path}[{index}]")
    return True


def distinct(
    given: Sequence[Any] | None,
    most: int,
    judge: Judge,
    key: Callable[[Any], Hashable],
    errors: Errors,
    path: str,
) -> None:
    """As `members`, of which no two may have the same key."""
    if not members(given, most, judge, errors, path):
        return
    seen: set[Hashable] = set()
    for index, each in enumerate(given or ()):
        if key(each) in seen:
            errors.append(duplicate(f"{path}[{index}]", key(each)))
        seen.add(key(each))


def entries(given: Mapping[str, Any] | None, most: int, shown: int, judge: Judge, errors: Errors, path: str) -> None:
    """Each entry; keys longer than `shown` characters are told without their middle. `judge` gets (key, value)."""
    given = given or {}
    if len(given) > most:
        errors.append(too_many(path, len(given), most))
        return
    for key, value in given.items():
        judge((key, value), errors, f"{path}[{_shortened(key, shown)}]")


def _shortened(key: str, most: int) -> str:
    if len(key) <= most:
        return key
    kept = most - len("...")
    return key[: (kept + 1) // 2] + "..." + key[len(key) - kept // 2 :]
