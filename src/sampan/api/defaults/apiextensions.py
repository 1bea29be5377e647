"""Defaults of apiextensions.k8s.io and apiregistration.k8s.io. Source: API reference v1.36."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from sampan.api import decoding
from sampan.api.kinds import apiextensions_v1
from sampan.api.schema.compact import compact

CONSTANTS: dict[str, dict[str, Any]] = {
    "apiextensions_v1.ServiceReference": {"port": 443},
    "apiregistration_v1.ServiceReference": {"port": 443},
}


def definition(o: Any) -> None:
    spec, status = o.spec, o.status
    if spec is None:
        return
    if not status.storedVersions:
        status.storedVersions = [v.name or "" for v in spec.versions or () if v.storage] or None


def definition_spec(o: Any) -> None:
    if o.names is not None:
        singular_and_list(o.names)
    for version in o.versions or ():
        if version.schema is not None and version.schema.openAPIV3Schema is not None:
            nested_schemas(version.schema.openAPIV3Schema, "spec.versions.schema.openAPIV3Schema")
    if o.conversion is None:
        o.conversion = apiextensions_v1.CustomResourceConversion(strategy="None")


def singular_and_list(names: Any) -> None:
    """The singular is the kind in lower case, the list's kind the kind with "List" behind it."""
    if not names.singular:
        names.singular = (names.kind or "").lower() or None
    if not names.listKind and names.kind:
        names.listKind = f"{names.kind}List"


MAPS = ("properties", "patternProperties", "definitions")
LISTS = ("allOf", "anyOf", "oneOf")
NESTED = ("items", "additionalProperties", "additionalItems")
JSON_NAMES = {"str": "string", "int": "number", "float": "number", "bool": "bool", "object": "object", "array": "array"}
MISMATCH = re.compile(r"Expected `(\w+)[^`]*`, got `(\w+)`(?: - at `\$\.(.*)`)?")


def nested_schemas(o: Any, path: str) -> None:
    """Schemas inside a schema that OpenAPI says may also be a boolean or a list: what is an object is a schema.

    What they do not know is dropped. `path` is upstream's way of naming the place. Raises ValueError in its words.
    """
    for name in NESTED:
        value = getattr(o, name)
        if isinstance(value, dict):
            made = nested_schema(value, f"{path}.{name}")
            nested_schemas(made, f"{path}.{name}")
            setattr(o, name, made)
    for name in MAPS:
        for inner in (getattr(o, name) or {}).values():
            if isinstance(inner, msgspec.Struct):
                nested_schemas(inner, f"{path}.{name}")
    for name in LISTS:
        for inner in getattr(o, name) or ():
            nested_schemas(inner, f"{path}.{name}")
    if o.not_ is not None:
        nested_schemas(o.not_, f"{path}.not")


def nested_schema(value: dict[str, Any], path: str) -> Any:
    from sampan.api import defaults

    try:
        schema, _ = decoding.convert(apiextensions_v1.JSONSchemaProps, value)
    except msgspec.ValidationError as error:
        raise ValueError(go_words(str(error), path)) from None
    defaults.show(schema)
    compact(schema)
    return schema


def go_words(error: str, path: str) -> str:
    match = MISMATCH.match(error)
    if match is None:
        return error
    wanted, got, inner = match.groups()
    field = re.sub(r"\[[^\]]*\]", "", inner or "")
    kind = JSON_NAMES.get(got, got)
    return (
        f"json: cannot unmarshal {kind} into Go struct field JSONSchemaProps.{path}.{field} of type {go_type(wanted)}"
    )


def go_type(python: str) -> str:
    return {"str": "string", "int": "int64", "bool": "bool", "float": "float64"}.get(python, "v1.JSONSchemaProps")


HOOKS = {
    "apiextensions_v1.CustomResourceDefinition": definition,
    "apiextensions_v1.CustomResourceDefinitionSpec": definition_spec,
}
