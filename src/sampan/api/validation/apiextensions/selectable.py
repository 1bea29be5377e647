"""Rules for the fields by which custom resources can be selected (KEP-4358)."""

from __future__ import annotations

import re
from typing import Any

from sampan.api.errors import FieldError
from sampan.api.validation.problems import duplicate, invalid, required, too_many

Errors = list[FieldError]

LIMIT = 8
TYPES = ("string", "boolean", "integer")
WRONG_TYPE = (
    "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed."
)
STEP = re.compile(r"\.([A-Za-z_$][A-Za-z0-9_$-]*)|\['((?:[^'\\]|\\.)+)'\]")


class PathError(ValueError):
    """The path cannot be read, or leads nowhere."""


def selectable_fields(given: Any, schema: dict[str, Any], errors: Errors, path: str) -> None:
    if len(given) > LIMIT:
        errors.append(too_many(path, len(given), LIMIT))
    seen: set[str] = set()
    for index, field in enumerate(given):
        here, text = f"{path}[{index}].jsonPath", field.jsonPath or ""
        if not text:
            errors.append(required(here))
            continue
        try:
            found = follow(text, schema)
        except PathError as error:
            errors.append(invalid(here, text, f"is an invalid path: {error}"))
            continue
        if found.get("type") not in TYPES:
            errors.append(invalid(here, text, WRONG_TYPE))
        if text in seen:
            errors.append(duplicate(here, text))
        seen.add(text)


def follow(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of the field that a path names; raises PathError."""
    position = 0
    while position < len(text):
        match = STEP.match(text, position)
        if match is None:
            raise PathError(f"expected [ or . but got: {text[position:]}")
        inner = (schema.get("properties") or {}).get(match[1] or match[2])
        if inner is None:
            raise PathError("does not refer to a valid field")
        schema, position = inner, match.end()
    return schema
