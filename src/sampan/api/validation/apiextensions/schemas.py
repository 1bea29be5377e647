"""Rules for the OpenAPI schemas of custom resources: that they are structural (KEP-1979), and well-formed.

Schemas are judged as plain JSON values. `path` writes a property as `properties[name]`.
"""

from __future__ import annotations

import re
from typing import Any

from sampan.api import cel
from sampan.api.errors import TYPE_INVALID, FieldError
from sampan.api.validation.problems import duplicate, forbidden, invalid, not_supported, required

Errors = list[FieldError]

TYPES = ("array", "boolean", "integer", "number", "object", "string")
LIST_TYPES = ("atomic", "set", "map")
MAP_TYPES = ("atomic", "granular")
LOGICAL = ("allOf", "anyOf", "oneOf")
ANY_TYPE = ("x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields")
NOT_IN_LOGICAL = ("description", "type", "default", "additionalProperties", "nullable")
PYTHON_TYPES: dict[str, Any] = {
    "array": list,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "object": dict,
    "string": str,
}
JSON_NAMES = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
)
SELF = frozenset({"self", "oldSelf"})
EMPTY: dict[str, str] = {
    "root": "must not be empty at the root",
    "property": "must not be empty for specified object fields",
    "items": "must not be empty for specified array items",
}
FORBIDDEN = ("definitions", "dependencies", "patternProperties", "id", "$ref", "additionalItems")


def root_schema(schema: dict[str, Any], errors: Errors, path: str, *, has_status: bool) -> None:
    kind = schema.get("type") or ""
    if has_status and kind and kind != "object":
        text = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
        errors.append(invalid(f"{path}.type", kind, text))
    if kind and kind != "object":
        errors.append(invalid(f"{path}.type", kind, "must be object at the root"))
    judge(schema, "root", errors, path)


def judge(schema: dict[str, Any], place: str, errors: Errors, path: str) -> None:
    """`place`: "root", "property" or "items"."""
    default(schema, errors, path)
    kind = schema.get("type") or ""
    if not kind:
        if not any(schema.get(name) for name in ANY_TYPE):
            errors.append(required(f"{path}.type", EMPTY[place]))
    elif kind not in TYPES:
        errors.append(not_supported(f"{path}.type", kind, TYPES))
    for name in FORBIDDEN:
        if schema.get(name):
            errors.append(forbidden(f"{path}.{name}", f"{name} is not supported"))
    if schema.get("uniqueItems"):
        errors.append(
            forbidden(
                f"{path}.uniqueItems",
                "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
            )
        )
    if "pattern" in schema:
        pattern(schema["pattern"], errors, f"{path}.pattern")
    lists(schema, kind, errors, path)
    maps(schema, kind, errors, path)
    rules(schema, errors, path)
    children(schema, kind, errors, path)


def children(schema: dict[str, Any], kind: str, errors: Errors, path: str) -> None:
    for name, inner in (schema.get("properties") or {}).items():
        judge(inner or {}, "property", errors, f"{path}.properties[{name}]")
    extra = schema.get("additionalProperties")
    if extra is not None and schema.get("properties"):
        errors.append(
            forbidden(f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive")
        )
    if isinstance(extra, dict):
        judge(extra, "property", errors, f"{path}.additionalProperties")
    items = schema.get("items")
    if isinstance(items, list) and items:
        errors.append(forbidden(f"{path}.items", "items must be a schema object and not an array"))
    elif isinstance(items, dict):
        judge(items, "items", errors, f"{path}.items")
    elif kind == "array":
        errors.append(required(f"{path}.items", "must be specified"))


def pattern(text: str, errors: Errors, path: str) -> None:
    try:
        re.compile(text)
    except re.error as error:
        errors.append(invalid(path, text, f"must be a valid regular expression, but isn't: {error}"))


def lists(schema: dict[str, Any], kind: str, errors: Errors, path: str) -> None:
    list_type = schema.get("x-kubernetes-list-type")
    if list_type is None:
        return
    here = f"{path}.x-kubernetes-list-type"
    if list_type not in LIST_TYPES:
        errors.append(not_supported(here, list_type, LIST_TYPES))
    if kind != "array":
        text = "must be array if x-kubernetes-list-type is specified"
        errors.append(invalid(f"{path}.type", kind, text) if kind else required(f"{path}.type", text))
    keys = schema.get("x-kubernetes-list-map-keys") or []
    if list_type == "map":
        map_keys(schema, keys, errors, path)
    elif keys:
        text = "must be map if x-kubernetes-list-map-keys is non-empty"
        errors.append(invalid(here, list_type, text))


def map_keys(schema: dict[str, Any], keys: list[str], errors: Errors, path: str) -> None:
    if not keys:
        errors.append(
            required(f"{path}.x-kubernetes-list-map-keys", "must not be empty if x-kubernetes-list-type is map")
        )
    items = schema.get("items") or {}
    known = items.get("properties") or {} if isinstance(items, dict) else {}
    for index, key in enumerate(keys):
        here = f"{path}.x-kubernetes-list-map-keys[{index}]"
        if key in keys[:index]:
            errors.append(duplicate(here, key))
        if key not in known:
            errors.append(invalid(here, key, "must refer to a field of the items"))
        elif key not in (items.get("required") or ()) and "default" not in known[key]:
            text = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            errors.append(required(f"{path}.items.properties[{key}].default", text))


def maps(schema: dict[str, Any], kind: str, errors: Errors, path: str) -> None:
    map_type = schema.get("x-kubernetes-map-type")
    if map_type is None:
        return
    if map_type not in MAP_TYPES:
        errors.append(not_supported(f"{path}.x-kubernetes-map-type", map_type, MAP_TYPES))
    if kind != "object":
        text = "must be object if x-kubernetes-map-type is specified"
        errors.append(invalid(f"{path}.type", kind, text) if kind else required(f"{path}.type", text))


def rules(schema: dict[str, Any], errors: Errors, path: str) -> None:
    for index, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        here = f"{path}.x-kubernetes-validations[{index}]"
        text = ((rule or {}).get("rule") or "").strip()
        if not text:
            errors.append(required(f"{here}.rule", "rule is not specified"))
            continue
        wrong = cel.check(text, SELF) or unknown_field(text, schema)
        if wrong:
            errors.append(invalid(f"{here}.rule", rule, f"compilation failed: {wrong}"))


def unknown_field(text: str, schema: dict[str, Any]) -> str | None:
    """A field of `self` that the schema does not have; only looked for where all fields are known."""
    if schema.get("type") != "object" or "additionalProperties" in schema:
        return None
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return None
    known = schema.get("properties") or {}
    for match in re.finditer(r"\b(?:self|oldSelf)\.([A-Za-z_][A-Za-z0-9_]*)(?!\w*\()", text):
        if match[1] not in known and not match[1].startswith("__"):
            return f"ERROR: <input>:1:{match.start(1)}: undefined field '{match[1]}'"
    return None


def default(schema: dict[str, Any], errors: Errors, path: str) -> None:
    """A default is a value that the schema allows."""
    if "default" not in schema:
        return
    value, kind = schema["default"], schema.get("type") or ""
    here = f"{path}.default"
    if value is None:
        return
    if kind and not is_a(value, kind):
        have = next(name for python, name in JSON_NAMES if isinstance(value, python))
        wrong = invalid(here, have, f' in body must be of type {kind}: "{have}"')
        errors.append(FieldError(TYPE_INVALID, wrong.field, wrong.message))
        return
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        bounds(value, schema, errors, here)
    if isinstance(value, str):
        lengths(value, schema, errors, here)
    allowed = schema.get("enum")
    if allowed and value not in allowed:
        errors.append(not_supported(here, value, [str(a) for a in allowed]))


def is_a(value: Any, kind: str) -> bool:
    if kind not in PYTHON_TYPES:
        return False
    if isinstance(value, bool) and kind != "boolean":
        return False
    return isinstance(value, PYTHON_TYPES[kind])


def bounds(value: float, schema: dict[str, Any], errors: Errors, path: str) -> None:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and value < least:
        errors.append(invalid(path, value, f" in body should be greater than or equal to {least:g}"))
    if most is not None and value > most:
        errors.append(invalid(path, value, f" in body should be less than or equal to {most:g}"))


def lengths(value: str, schema: dict[str, Any], errors: Errors, path: str) -> None:
    least, most = schema.get("minLength"), schema.get("maxLength")
    if least is not None and len(value) < least:
        errors.append(invalid(path, value, f" in body should be at least {least} chars long"))
    if most is not None and len(value) > most:
        errors.append(FieldError("FieldValueTooLong", path, f"Too long: may not be more than {most} bytes"))
