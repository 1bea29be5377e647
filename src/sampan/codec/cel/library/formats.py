"""`format`: named forms of text, and what is wrong with a text of one. All is well where nothing is said of it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any

from sampan.api import names
from sampan.codec.cel.library import urls
from sampan.codec.cel.library.function import Function
from sampan.codec.cel.library.values import FORMAT, values

UUID = re.compile(r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
DAY = re.compile(r"\d{4}-\d\d-\d\d")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)")
Check = Callable[[str], Sequence[str]]


def prefix_of(check: Check, text: str) -> Sequence[str]:
    """As what is generated from it is checked: it may end with a dash."""
    return check(f"{text[:-2]}a" if len(text) > 1 and text.endswith("-") else text)


def said(why: str, read: Callable[[str], Any], text: str) -> Sequence[str]:
    """What `read` raises ValueError for."""
    try:
        read(text)
    except (ValueError, binascii.Error):
        return (why,)
    return ()


def uri(text: str) -> Sequence[str]:
    try:
        urls.url(text)
    except ValueError as error:
        return (f"parse {text!r}: {error}",)
    return ()


def uuid(text: str) -> Sequence[str]:
    return () if UUID.fullmatch(text) else ("does not match the UUID format",)


def _day(text: str) -> None:
    if not DAY.fullmatch(text):
        raise ValueError("not in the form of a date")
    date.fromisoformat(text)


def _moment(text: str) -> None:
    if not MOMENT.fullmatch(text):
        raise ValueError("not in the form of a time")
    datetime.fromisoformat(text[:19])


FORMATS: dict[str, Check] = {
    "dns1123Label": names.label,
    "dns1123Subdomain": names.subdomain,
    "dns1035Label": names.label_1035,
    "dns1123LabelPrefix": partial(prefix_of, names.label),
    "dns1123SubdomainPrefix": partial(prefix_of, names.subdomain),
    "dns1035LabelPrefix": partial(prefix_of, names.label_1035),
    "qualifiedName": names.qualified,
    "labelValue": names.label_value,
    "uri": uri,
    "uuid": uuid,
    "byte": partial(said, "invalid base64", partial(base64.b64decode, validate=True)),
    "date": partial(said, "invalid date", _day),
    "datetime": partial(said, "invalid datetime", _moment),
}


def named(name: str) -> Any:
    """The format; the empty one, which counts as none, where there is none of that name."""
    return values().build("NamedFormat", {"text": name} if name in FORMATS else {})


def validate(form: Any, text: str) -> list[str]:
    return list(FORMATS[form.text](text))


FUNCTIONS = (
    *(Function(f"format.{name}", FORMAT, (), partial(named, name), member=False) for name in FORMATS),
    Function("format.named", FORMAT, ("string",), named, member=False, optional=True),
    Function("validate", "list(string)", (FORMAT, "string"), validate, optional=True),
)
