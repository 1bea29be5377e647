"""Finding by regular expressions, in linear time (RE2, as the language's `matches`)."""

from __future__ import annotations

from typing import Any

from sampan.api.remembered import remembered
from sampan.codec.cel.library.function import Function

REMEMBERED = 256


@remembered(REMEMBERED)
def _compiled(pattern: str) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options=options)
    except re2.error as error:
        raise ValueError(f"no regular expression: {error.args[0].decode()}") from None


def find(text: str, pattern: str) -> str:
    """The first match, "" without one."""
    found = _compiled(pattern).search(text)
    return found[0] if found is not None else ""


def find_all(text: str, pattern: str, most: int = -1) -> list[str]:
    """All matches, or the first `most`."""
    found: list[str] = []
    for match in _compiled(pattern).finditer(text):
        if len(found) == most:
            break
        found.append(match[0])
    return found


FUNCTIONS = (
    Function("find", "string", ("string", "string"), find),
    Function("findAll", "list(string)", ("string", "string"), find_all),
    Function("findAll", "list(string)", ("string", "string", "int"), find_all),
)
