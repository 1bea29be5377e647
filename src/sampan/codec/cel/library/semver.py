"""`semver()`: semantic versions."""

from __future__ import annotations

import re
from typing import Any

from sampan.codec.cel.library.function import Function, asked
from sampan.codec.cel.library.order import compare, is_greater, is_less
from sampan.codec.cel.library.values import SEMVER, values

NUMBER = r"(?:0|[1-9][0-9]*)"
IDENTIFIER = rf"(?:{NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
FORM = re.compile(
    rf"({NUMBER}\.{NUMBER}\.{NUMBER}(?:-{IDENTIFIER}(?:\.{IDENTIFIER})*)?)(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
MOST_CHARACTERS = 256


def semver(text: str, normalize: bool = False) -> Any:
    """`normalize`: `v1.02` is 1.2.0."""
    found = FORM.fullmatch(normalized(text) if normalize else text) if len(text) <= MOST_CHARACTERS else None
    if found is None:
        raise ValueError("no semantic version, as 1.2.3 is")
    return values().build("Semver", {"text": found[1]})  # what is behind the plus counts for nothing


def normalized(text: str) -> str:
    numbers, mark, rest = re.fullmatch(r"v?([^-+]*)([-+]?)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    parts = [part.lstrip("0") or "0" for part in numbers.split(".") if part] if numbers else []
    missing = ["0"] * (3 - len(parts)) if parts and not (mark and len(parts) < 3) else []
    return ".".join([*parts, *missing]) + mark + rest


is_semver = asked(semver)


def part(at: int) -> Any:
    return lambda version: int(version.text.partition("-")[0].split(".")[at])


FUNCTIONS = (
    Function("semver", SEMVER, ("string",), semver, member=False),
    Function("semver", SEMVER, ("string", "bool"), semver, member=False),
    Function("isSemver", "bool", ("string",), is_semver, member=False),
    Function("isSemver", "bool", ("string", "bool"), is_semver, member=False),
    Function("major", "int", (SEMVER,), part(0)),
    Function("minor", "int", (SEMVER,), part(1)),
    Function("patch", "int", (SEMVER,), part(2)),
    Function("isLessThan", "bool", (SEMVER, SEMVER), is_less),
    Function("isGreaterThan", "bool", (SEMVER, SEMVER), is_greater),
    Function("compareTo", "int", (SEMVER, SEMVER), compare),
)
