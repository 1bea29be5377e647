"""What classes, claims and allocations have alike: expressions that select devices, parameters for drivers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from sampan.api import cel
from sampan.api.errors import FieldError
from sampan.api.validation.expressions import DEVICE
from sampan.api.validation.problems import invalid, required, too_long
from sampan.api.validation.resource import names
from sampan.api.validation.resource.lists import members

Errors = list[FieldError]

SELECTORS = 32
EXPRESSION_LENGTH = 10 * 1024
PARAMETERS_SIZE = 10 * 1024
NOT_SHOWN = "<value omitted>"


def selectors(given: Sequence[Any] | None, errors: Errors, path: str) -> None:
    members(given, SELECTORS, selector, errors, path)


def selector(each: Any, errors: Errors, path: str) -> None:
    if each.cel is None:
        errors.append(required(f"{path}.cel"))
        return
    path, text = f"{path}.cel.expression", each.cel.expression or ""
    if len(text) > EXPRESSION_LENGTH:
        errors.append(too_long(path, EXPRESSION_LENGTH))
    elif wrong := cel.check(text, DEVICE):
        errors.append(invalid(path, text, f"compilation failed: {wrong}"))


def opaque(each: Any, errors: Errors, path: str, *, stored: bool = False) -> None:
    """`stored`: as it was before, so that its size is no matter."""
    given = each.opaque
    if given is None:
        errors.append(required(f"{path}.opaque"))
        return
    names.driver(given.driver, errors, f"{path}.opaque.driver")
    document(given.parameters, errors, f"{path}.opaque.parameters", bounded=not stored)


def document(given: Any, errors: Errors, path: str, *, bounded: bool = True) -> None:
    """An object of whatever fields."""
    if given is None:
        errors.append(required(path))
    elif bounded and len(msgspec.json.encode(given)) > PARAMETERS_SIZE:
        errors.append(too_long(path, PARAMETERS_SIZE))
    elif not isinstance(given, dict):
        errors.append(invalid(path, NOT_SHOWN, "must be a valid JSON object"))
