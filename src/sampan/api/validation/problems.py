"""How a violation is told: each function makes one FieldError in upstream's words.

A value is shown as upstream shows it: strings in Go's quotes, numbers and booleans bare, anything else as JSON.
`Shown` holds a text that already is what should be shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from sampan.api import errors
from sampan.api.errors import FieldError

IMMUTABLE = "field is immutable"
ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


class Shown(str):
    """A value in the form in which the message shows it."""


NOTHING = Shown("")


def quote(text: str) -> str:
    """The text in Go's quotes (strconv.Quote)."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(ESCAPES.get(c) or _escape(c) for c in text) + '"'


def _escape(c: str) -> str:
    if c.isprintable():
        return c
    code = ord(c)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def show(value: Any) -> str:
    if isinstance(value, Shown):
        return value
    if isinstance(value, str):
        return quote(value)
    return msgspec.json.encode(value).decode()


def _valued(reason: str, title: str, field: str, value: Any, detail: str) -> FieldError:
    shown = "" if value is NOTHING else f": {show(value)}"
    return FieldError(reason, field, f"{title}{shown}: {detail}" if detail else f"{title}{shown}")


def _bare(reason: str, title: str, field: str, detail: str) -> FieldError:
    return FieldError(reason, field, f"{title}: {detail}" if detail else title)


def invalid(field: str, value: Any, detail: str) -> FieldError:
    return _valued(errors.INVALID, "Invalid value", field, value, detail)


def duplicate(field: str, value: Any) -> FieldError:
    return _valued(errors.DUPLICATE, "Duplicate value", field, value, "")


def not_found(field: str, value: Any) -> FieldError:
    return _valued(errors.NOT_FOUND, "Not found", field, value, "")


def not_supported(field: str, value: Any, supported: Iterable[str]) -> FieldError:
    """`supported` is told in the order given."""
    listed = ", ".join(quote(v) for v in supported)
    detail = f"supported values: {listed}" if listed else ""
    return _valued(errors.NOT_SUPPORTED, "Unsupported value", field, value, detail)


def required(field: str, detail: str = "") -> FieldError:
    return _bare(errors.REQUIRED, "Required value", field, detail)


def forbidden(field: str, detail: str) -> FieldError:
    return _bare(errors.FORBIDDEN, "Forbidden", field, detail)


def too_long(field: str, limit: int) -> FieldError:
    return _bare(errors.TOO_LONG, "Too long", field, f"may not be more than {limit} bytes")


def too_many(field: str, count: int, limit: int) -> FieldError:
    items = "item" if limit == 1 else "items"
    return _valued(errors.TOO_MANY, "Too many", field, count, f"must have at most {limit} {items}")


def each_invalid(field: str, value: Any, details: Iterable[str]) -> list[FieldError]:
    """One `invalid` for each thing that is wrong with a value, as the checks of `sampan.api.names` tell it."""
    return [invalid(field, value, detail) for detail in details]
