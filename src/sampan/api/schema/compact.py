"""Empty lists, maps and bytes, which upstream does not keep: absent and empty mean the same.

`compact` drops them, in place, so that an object has one form only. It comes last, when an object is encoded, since
while an object is judged upstream still tells the two apart. Like defaulting it is a function generated for each Struct
(see `sampan.api.defaults.compile`): Structs that can hold no list or map are not visited.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sampan.api import schema

Function = Callable[[Any], None]

_functions: dict[type, Function] = {}
_names: dict[str, str | None] = {}
_globals: dict[str, Any] = {}


def compact(obj: Any) -> None:
    """Drops empty lists and maps of a Struct of the schema; leaves anything else alone."""
    struct = type(obj)
    try:
        function = _functions[struct]
    except KeyError:
        function = _functions[struct] = _function(struct)
    function(obj)


def _function(struct: type) -> Function:
    try:
        name = _compile(schema.info(struct))
    except KeyError:
        name = None
    return _globals[name] if name else _nothing


def _nothing(obj: Any) -> None:
    pass


def _compile(info: schema.TypeInfo) -> str | None:
    key = info.definition
    if key not in _names:
        _names[key] = name = f"compact_{schema.namespace_of(key)}_{info.name}"
        lines = [line for field in info.fields.values() for line in _lines(field)]
        if not lines:
            _names[key] = None
        else:
            exec(compile("\n    ".join([f"def {name}(o):", *lines]), f"<{name}>", "exec"), _globals)
    return _names[key]


def _lines(field: schema.Field) -> list[str]:
    inner = _compile(field.type) if field.type else None
    at = f"o.{field.attribute}"
    if field.shape == "object":
        return [f"v = {at}", f"if v is not None: {inner}(v)"] if inner else []
    if field.format == "byte" and field.shape == "scalar" and not field.required:
        return [f'if {at} == "": {at} = None']
    if field.shape not in ("list", "map"):
        return []
    lines = [f"v = {at}", "if v is not None:", f"    if not v: {at} = None"]
    if inner:
        each = "v" if field.shape == "list" else "v.values()"
        lines += ["    else:", f"        for i in {each}: {inner}(i)"]
    return lines
