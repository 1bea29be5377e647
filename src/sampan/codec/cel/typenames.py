"""Types by their text, as `Environment` takes them."""

from __future__ import annotations

import re
from typing import Any

_LIST = re.compile(r"list\((.+)\)")
_MAP = re.compile(r"map\((\w+), *(.+)\)")


def of_text(text: str) -> Any:
    """The library's type for `string`, `list(T)`, `map(K, V)`, or the name of a message."""
    from cel_expr_python import cel

    if found := _LIST.fullmatch(text):
        return cel.Type.List(of_text(found[1]))
    if found := _MAP.fullmatch(text):
        return cel.Type.Map(of_text(found[1]), of_text(found[2]))
    return getattr(cel.Type, text.upper(), None) or cel.Type(text)
