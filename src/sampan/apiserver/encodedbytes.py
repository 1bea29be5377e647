"""Fields of bytes, which JSON carries as base64: is it any?

The Structs hold them as the text they came as, since nobody here looks inside; what upstream's decoder would refuse is
refused by this check. A kind without such fields (most) is found to need none once, and costs a dictionary lookup from
then on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from sampan.api import schema
from sampan.api.schema import Field, TypeInfo

Check = Callable[[Any], str | None]
_ALPHABET = re.compile(r"[A-Za-z0-9+/\r\n]*")


def problem(struct: type, obj: Any) -> str | None:
    """What is wrong with an object's bytes, in Go's words; None when nothing is."""
    check = _check(struct)
    return None if check is None else check(obj)


def wrong_at(text: str) -> int | None:
    """Where a text stops being base64 (RFC 4648, 4, with padding; line breaks are skipped); None when it does not."""
    end = _ALPHABET.match(text).end()  # type: ignore[union-attr]
    letters = len(text[:end].replace("\r", "").replace("\n", "")) % 4
    rest = text[end:].replace("\r", "").replace("\n", "")
    if not rest:
        return None if letters == 0 else len(text)
    if rest == {2: "==", 3: "="}.get(letters):
        return None
    if rest[0] == "=" and letters >= 2:
        return end + 4 - letters if len(rest) > 4 - letters else len(text)
    return end


@cache
def _check(struct: type) -> Check | None:
    try:
        info = schema.info(struct)
    except KeyError:
        return None
    return _of_type(info, frozenset())


def _of_type(info: TypeInfo, above: frozenset[str]) -> Check | None:
    """The check of an object; None when no field of it, however deep, holds bytes."""
    if info.definition in above:
        return None
    below = above | {info.definition}
    parts = [(f.attribute, check) for f in info.fields.values() if (check := _of_field(f, below)) is not None]
    if not parts:
        return None

    def whole(obj: Any) -> str | None:
        for attribute, part in parts:
            value = getattr(obj, attribute)
            found = part(value) if value is not None else None
            if found:
                return found
        return None

    return whole


def _of_field(field: Field, above: frozenset[str]) -> Check | None:
    one: Check | None
    if field.format == "byte":
        one = _text
    elif field.type is not None:
        one = _of_type(field.type, above)
    else:
        one = None
    if one is None or field.shape in ("scalar", "object"):
        return one
    each = one
    if field.shape == "map":
        return lambda values: next((f for v in values.values() if v is not None and (f := each(v))), None)
    return lambda values: next((f for v in values if v is not None and (f := each(v))), None)


def _text(value: str) -> str | None:
    at = wrong_at(value)
    return None if at is None else f"illegal base64 data at input byte {at}"
