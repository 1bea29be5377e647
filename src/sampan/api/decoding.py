"""Bytes or JSON values to typed objects, with unknown fields told and dropped.

The Structs refuse a field they do not know, and a null in a list or map. Only then is the slow way taken: the JSON is
decoded to plain values, the schema is walked, unknown fields are removed and their paths collected, nulls become the
zero value of what should be there (as in Go), and the rest is converted. An object without a typo pays nothing. Paths
are written as upstream writes them: `spec.containers[0].imag`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api import schema
from sampan.api.registry import Kind

UNKNOWN = "Object contains unknown field"
NULL = "got `null`"
MOST_TOLD = 100
"""Unknown fields whose paths are collected; upstream's decoder stops there, too."""
ZEROS: dict[str, Any] = {"string": "", "integer": 0, "number": 0, "boolean": False, "Quantity": "0", "IntOrString": 0}


def decode(kind: Kind, data: bytes) -> tuple[Any, list[str]]:
    """The object and the paths of its unknown fields (most often none). Raises msgspec.DecodeError."""
    try:
        return kind.decode(data), []
    except msgspec.ValidationError as error:
        if not _mendable(str(error)):
            raise
    return convert(kind.struct, msgspec.json.decode(data))


def convert(struct: Any, value: Any) -> tuple[Any, list[str]]:
    """As `decode`, from a JSON value; `value` may be changed. Raises msgspec.ValidationError."""
    try:
        return msgspec.convert(value, struct), []
    except msgspec.ValidationError as error:
        if not _mendable(str(error)):
            raise
    unknown: list[str] = []
    prune(schema.info(struct), value, "", unknown)
    return msgspec.convert(value, struct), unknown


def _mendable(error: str) -> bool:
    return error.startswith(UNKNOWN) or NULL in error


def prune(info: schema.TypeInfo, value: Any, path: str, unknown: list[str]) -> None:
    """Removes from a JSON object, in place, what its schema does not know, and adds the paths to `unknown`."""
    if not isinstance(value, dict):
        return
    for name in list(value):
        field = info.fields.get(name)
        here = f"{path}.{name}" if path else name
        if field is None:
            del value[name]
            if len(unknown) < MOST_TOLD:
                unknown.append(here)
        elif value[name] is None:
            if name in ("kind", "apiVersion"):
                del value[name]
        elif field.type is not None or field.shape in ("list", "map"):
            _prune_field(field, value[name], here, unknown)


def _prune_field(field: schema.Field, value: Any, path: str, unknown: list[str]) -> None:
    inner = field.type
    if field.shape == "list" and isinstance(value, list):
        for index, item in enumerate(value):
            if item is None:
                value[index] = _zero(field)
            elif inner is not None:
                prune(inner, item, f"{path}[{index}]", unknown)
    elif field.shape == "map" and isinstance(value, dict):
        for key, item in value.items():
            if item is None:
                value[key] = _zero(field)
            elif inner is not None:
                prune(inner, item, f"{path}.{key}", unknown)
    elif field.shape == "object" and inner is not None:
        prune(inner, value, path, unknown)


def _zero(field: schema.Field) -> Any:
    return {} if field.type is not None else ZEROS.get(field.scalar)
