"""How Go prints a JSON value with %v and %q: upstream's error messages quote maps and lists this way."""

from __future__ import annotations

from typing import Any

import msgspec


def plain(value: Any) -> str:
    """`map[a:1 b:[x y]]`, `<nil>`, `true`: Go's %v of a decoded JSON value, map keys sorted."""
    if value is None:
        return "<nil>"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{k}:{plain(value[k])}" for k in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(plain, value)) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def quoted(text: str) -> str:
    """Go's %q of a text: double quotes, with JSON's escapes."""
    return msgspec.json.encode(text).decode()


def kind(value: Any) -> str:
    """The Go type a JSON value decodes into, as reflect prints it."""
    for types, name in GO_TYPES:
        if isinstance(value, types):
            return name
    return "nil"


GO_TYPES: tuple[tuple[type, str], ...] = (
    (dict, "map[string]interface {}"),
    (list, "[]interface {}"),
    (str, "string"),
    (bool, "bool"),
    (int, "int64"),
    (float, "float64"),
)
