"""Why a JSON document is no object of a kind, in the words of Go's decoder.

Only asked after the typed decoder has refused a document, so speed does not matter here. Upstream reports the first
mismatch in the order of the document and names the Go struct and field; both follow from the schema.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from sampan.api import quantity
from sampan.api.errors import BadRequest
from sampan.api.registry import Kind
from sampan.api.schema import Field, TypeInfo
from sampan.apiserver import gotypes

QUANTITY = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
SHOWN_BYTES = 30
UNRECOGNIZED = "the object provided is unrecognized (must be of type {}): couldn't get version/kind; json parse error"
JSON_TYPES = ((bool, "bool"), (int, "number"), (float, "number"), (str, "string"), (list, "array"), (dict, "object"))
GO_SCALARS = {"boolean": "bool", "Time": "v1.Time", "Quantity": "resource.Quantity"}
GO_INTEGERS = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1), "": (-(2**63), 2**63 - 1)}
TYPED = re.compile(
    rb"""\s*\{\s*(?:"kind"\s*:\s*"[^"\\]*"\s*,\s*"apiVersion"|"apiVersion"\s*:\s*"[^"\\]*"\s*,\s*"kind")\s*:"""
)
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def may_have_duplicates(data: bytes, obj: Any = None) -> bool:
    """False when surely no member name occurs twice in one object: a few microseconds instead of a walk of the
    document.

    The decoder keeps the last of several members silently, so a document that comes out of decoding and encoding with
    as many colons as it went in with has lost none. Texts come out as they went in, unless written with `\\u` escapes;
    those take the walk. `obj` is what `data` was decoded to, when it is at hand and as it came: it tells enough, most
    often, of a document that begins with its type, which decoding would have added.
    """
    if b"\\u" in data:
        return True
    colons = data.count(b":")
    if obj is not None and TYPED.match(data) and _encode(obj).count(b":") == colons:
        return False
    try:
        again = _encode(_decode(data))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return again.count(b":") != colons


def json_type(value: Any) -> str:
    """Go's name for the type of a JSON value."""
    return next((name for type_, name in JSON_TYPES if isinstance(value, type_)), "null")


def malformed(kind: Kind, data: bytes, error: Exception) -> BadRequest:
    """For bytes that are no JSON at all."""
    shown = data[:SHOWN_BYTES].decode("utf-8", "replace")
    text = str(error)
    what = "unexpected end of JSON input" if "truncated" in text else _invalid_character(data, text)
    if not data.strip():
        return BadRequest(f"{UNRECOGNIZED.format(kind.kind)}: unexpected end of JSON input (<empty>)")
    suffix = " ...)" if len(data) > SHOWN_BYTES else ")"
    return BadRequest(f"{UNRECOGNIZED.format(kind.kind)}: {what} ({shown}{suffix}")


def _invalid_character(data: bytes, text: str) -> str:
    match = re.search(r"byte (\d+)", text)
    at = int(match[1]) if match else 0
    character = data[at : at + 1].decode("latin-1")
    return f"invalid character '{character}' looking for beginning of value"


def kind_or_version(kind: Kind, document: Any, data: bytes) -> BadRequest | None:
    """The wrong type of `kind` or `apiVersion`, which upstream looks at before anything else."""
    if not isinstance(document, dict):
        what = f"json: cannot unmarshal {json_type(document)} into Go value of type struct " + (
            '{ APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
        )
        return _unrecognized(kind, what, data)
    for name in ("apiVersion", "kind"):
        value = document.get(name)
        if value is not None and not isinstance(value, str):
            what = f"json: cannot unmarshal {json_type(value)} into Go struct field .{name} of type string"
            return _unrecognized(kind, what, data)
    return None


def _unrecognized(kind: Kind, what: str, data: bytes) -> BadRequest:
    shown = data[:SHOWN_BYTES].decode("utf-8", "replace")
    return BadRequest(f"{UNRECOGNIZED.format(kind.kind)}: {what} ({shown} ...)")


def first_mismatch(info: TypeInfo, value: Any, path: str = "") -> str | None:
    """What is wrong first, or None when nothing is found."""
    if value is None:
        return None
    for name, item in value.items():
        field = info.fields.get(name)
        if field is None or item is None:
            continue
        part = gotypes.way(info.name, name)
        wrong = _field(info, field, item, f"{path}.{part}" if path else part)
        if wrong:
            return wrong
    return None


def _field(info: TypeInfo, field: Field, value: Any, path: str) -> str | None:
    if field.shape == "json":
        return None
    if field.shape == "list":
        if not isinstance(value, list):
            return _cannot(value, info, path, f"[]{_go_type(info, field)}")
        items = value
    elif field.shape == "map":
        if not isinstance(value, dict):
            return _cannot(value, info, path, _go_map(info, field))
        items = list(value.values())
    else:
        items = [value]
    for item in items:
        wrong = _leaf(info, field, item, path)
        if wrong:
            return wrong
    return None


def _leaf(info: TypeInfo, field: Field, value: Any, path: str) -> str | None:
    if value is None:
        return None
    if field.type is not None:
        if not isinstance(value, dict):
            return _cannot(value, info, path, _go_type(info, field))
        return first_mismatch(field.type, value, path)
    check = CHECKS.get(field.scalar)
    return check(info, field, value, path) if check else None


def _string(info: TypeInfo, field: Field, value: Any, path: str) -> str | None:
    return None if isinstance(value, str) else _cannot(value, info, path, _go_type(info, field))


def _time(info: TypeInfo, field: Field, value: Any, path: str) -> str | None:
    return None if isinstance(value, str) else _cannot(value, info, path, "string")


def _boolean(info: TypeInfo, field: Field, value: Any, path: str) -> str | None:
    return None if isinstance(value, bool) else _cannot(value, info, path, "bool")


def _number(info: TypeInfo, field: Field, value: Any, path: str) -> str | None:
    real = isinstance(value, int | float) and not isinstance(value, bool)
    return None if real else _cannot(value, info, path, "float64")


def _integer(info: TypeInfo, field: Field, value: Any, path: str) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _cannot(value, info, path, _go_type(info, field))
    low, high = GO_INTEGERS.get(field.format, GO_INTEGERS[""])
    if isinstance(value, float) or not low <= value <= high:
        return _cannot(value, info, path, _go_type(info, field), shown=f"number {value}")
    return None


def _integer_or_string(info: TypeInfo, field: Field, value: Any, path: str) -> str | None:
    if isinstance(value, str):
        return None
    low, high = GO_INTEGERS["int32"]
    if isinstance(value, int) and not isinstance(value, bool):
        return None if low <= value <= high else _cannot(value, info, path, "int32", shown=f"number {value}")
    return _cannot(value, info, path, "int32")


def _quantity(info: TypeInfo, field: Field, value: Any, path: str) -> str | None:
    if isinstance(value, dict | list | bool):
        return QUANTITY
    try:
        quantity.parse(str(value))
    except ValueError:
        return QUANTITY
    return None


CHECKS = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "Quantity": _quantity,
    "IntOrString": _integer_or_string,
    "Time": _time,
    "MicroTime": _time,
}


def _cannot(value: Any, info: TypeInfo, path: str, go_type: str, *, shown: str = "") -> str:
    return (
        f"json: cannot unmarshal {shown or json_type(value)} into Go struct field {info.name}.{path} of type {go_type}"
    )


def _go_map(info: TypeInfo, field: Field) -> str:
    place = f"{info.name}.{field.name}"
    if place in gotypes.LISTS_OF_RESOURCES:
        return "v1.ResourceList"
    key = f"{_version(info.definition)}.QualifiedName" if place in gotypes.QUALIFIED_KEYS else "string"
    return f"map[{key}]{_go_type(info, field)}"


def _go_type(info: TypeInfo, field: Field) -> str:
    """The Go type of a field's leaf as reflect prints it."""
    if field.type is not None:
        return f"{_version(field.definition)}.{field.definition.rsplit('.', 1)[1]}"
    if field.scalar == "integer":
        return field.format or "int64"
    if field.format == "byte":
        return "[]uint8"
    named = gotypes.STRINGS.get(f"{info.name}.{field.name}")
    if named:
        return f"{_version(info.definition)}.{named}"
    return {"boolean": "bool", "Time": "v1.Time", "Quantity": "resource.Quantity"}.get(
        field.scalar, field.scalar or "string"
    )


def _version(definition: str) -> str:
    return definition.rsplit(".", 2)[1]
