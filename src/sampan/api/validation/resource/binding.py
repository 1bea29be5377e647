"""Conditions that a device awaits before a pod is bound (KEP-5007)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sampan.api.errors import FieldError
from sampan.api.names import qualified
from sampan.api.validation.problems import duplicate, each_invalid, invalid
from sampan.api.validation.resource.lists import members

Errors = list[FieldError]

CONDITIONS = 4
GOOD, BAD = "bindingConditions", "bindingFailureConditions"


def binding(each: Any, errors: Errors, path: str) -> None:
    """Both lists of names or none of them, and no name twice."""
    good, bad = each.bindingConditions or (), each.bindingFailureConditions or ()
    for given, field in ((good, GOOD), (bad, BAD)):
        members(given, CONDITIONS, name, errors, f"{path}.{field}")
    repeated(good, errors, f"{path}.{GOOD}")
    repeated(bad, errors, f"{path}.{BAD}")
    for index, condition in enumerate(bad):
        if condition in good:
            errors.append(invalid(f"{path}.{BAD}[{index}]", condition, f"{BAD} must not overlap with {GOOD}"))
    if bad and not good:
        errors.append(invalid(f"{path}.{GOOD}", good, f"{GOOD} are required to use {BAD}"))
    if good and not bad:
        errors.append(invalid(f"{path}.{BAD}", bad, f"{BAD} are required to use {GOOD}"))


def name(condition: str, errors: Errors, path: str) -> None:
    errors.extend(each_invalid(path, condition, qualified(condition)))


def repeated(given: Sequence[str], errors: Errors, path: str) -> None:
    for index, condition in enumerate(given):
        if condition in given[:index]:
            errors.append(duplicate(f"{path}[{index}]", condition))
