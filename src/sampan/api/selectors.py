"""Label and field selectors: text or LabelSelector in, a predicate over a dict of labels or fields out.

Grammar of the text form (API concepts, "Labels and selectors"): requirements joined by commas, each `key`, `!key`,
`key=value`, `key==value`, `key!=value`, `key in (a,b)`, `key notin (a,b)`, `key>1`, `key<1`. A missing key satisfies
`!=`, `notin` and `!key`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from sampan.api import names

Labels = Mapping[str, str]
LENGTH_LIMIT = 64 * 1024


class SelectorError(ValueError):
    """The selector cannot be parsed; the message says where."""


class Requirement(msgspec.Struct, frozen=True):
    """`operator` is one of In, NotIn, Exists, DoesNotExist, Gt, Lt."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Labels) -> bool:
        return OPERATORS[self.operator](labels.get(self.key), self.values)


def _integer(text: str | None) -> int | None:
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None


def _compare(value: str | None, values: tuple[str, ...], sign: int) -> bool:
    have, bound = _integer(value), _integer(values[0])
    return have is not None and bound is not None and (have - bound) * sign > 0


OPERATORS: dict[str, Callable[[str | None, tuple[str, ...]], bool]] = {
    "In": lambda value, values: value in values,
    "NotIn": lambda value, values: value not in values,
    "Exists": lambda value, values: value is not None,
    "DoesNotExist": lambda value, values: value is None,
    "Gt": lambda value, values: _compare(value, values, 1),
    "Lt": lambda value, values: _compare(value, values, -1),
}


class Selector(msgspec.Struct, frozen=True):
    """All requirements hold. Without any, everything is selected; `nothing` selects nothing."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    def matches(self, labels: Labels | None) -> bool:
        if self.nothing:
            return False
        have = labels or {}
        return all(r.matches(have) for r in self.requirements)

    @property
    def everything(self) -> bool:
        return not self.requirements and not self.nothing


EVERYTHING = Selector()
NOTHING = Selector(nothing=True)

_TOKEN = re.compile(r"\s*(?:([^\s,()=!<>]+)|(==|!=|=|!|<|>|\(|\)|,))")


@lru_cache(maxsize=1024)
def parse_labels(text: str) -> Selector:
    """A label selector's text; raises SelectorError."""
    if len(text) > LENGTH_LIMIT:
        raise SelectorError(f"the selector is longer than {LENGTH_LIMIT} bytes")
    return Selector(tuple(sorted(_Parser(text).requirements(), key=lambda r: r.key)))


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    def requirements(self) -> list[Requirement]:
        found: list[Requirement] = []
        while self._peek():
            if self._peek() != "!" and _symbol(self._peek()):
                raise SelectorError(f"found '{self._peek()}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self._requirement())
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error}") from None
            self._separator()
        return found

    def _separator(self) -> None:
        """A comma and something behind it, or the end."""
        token = self._take()
        if token not in ("", ","):
            raise SelectorError(f"found '{token}', expected: ',' or 'end of string'")
        behind = self._peek()
        if token and (not behind or (behind != "!" and _symbol(behind))):
            raise SelectorError(f"found '{behind}', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        if self._peek() == "!":
            self._take()
            return Requirement(self._key(), "DoesNotExist")
        key = self._key()
        operator = self._peek()
        if operator in ("", ","):
            return Requirement(key, "Exists")
        self._take()
        if operator in ("in", "notin"):
            return Requirement(key, "In" if operator == "in" else "NotIn", self._set(key))
        if operator in ("=", "==", "!="):
            return Requirement(key, "NotIn" if operator == "!=" else "In", (self._value(key),))
        if operator in ("<", ">"):
            return Requirement(key, "Lt" if operator == "<" else "Gt", (self._bound(),))
        raise SelectorError(f"found '{operator}', expected: in, notin, =, ==, !=, gt, lt")

    def _key(self) -> str:
        key = self._take()
        if not key or _symbol(key):
            raise SelectorError(f"found '{key}', expected: !, identifier, or ','")
        wrong = names.qualified(key)
        if wrong:
            raise SelectorError(f'key: Invalid value: "{key}": {"; ".join(wrong)}')
        return key

    def _value(self, key: str) -> str:
        if self._peek() in ("", ","):
            return ""
        value = self._take()
        if _symbol(value):
            raise SelectorError(f"found '{value}', expected: identifier")
        return _checked_value(key, value)

    def _set(self, key: str) -> tuple[str, ...]:
        self._expect("(")
        values: set[str] = set()
        if self._peek() == ")":
            self._take()
            return ("",)
        while True:
            values.add(_checked_value(key, "" if self._peek() in (",", ")") else self._take()))
            if self._peek() != ",":
                break
            self._take()
        self._expect(")")
        return tuple(sorted(values))

    def _bound(self) -> str:
        value = self._take()
        if _integer(value) is None:
            raise SelectorError(
                f"values[0]: Invalid value: \"{value}\": for 'Gt', 'Lt' operators, the value must be an integer"
            )
        return value

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _expect(self, token: str) -> None:
        found = self._take()
        if found != token:
            raise SelectorError(f"found '{found}', expected: '{token}'")


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        assert match
        found.append(match[1] or match[2])
        at = match.end()
    return found


def _symbol(token: str) -> bool:
    return token in ("==", "!=", "=", "!", "<", ">", "(", ")", ",")


def _checked_value(key: str, value: str) -> str:
    wrong = names.label_value(value)
    if wrong:
        raise SelectorError(f'values[0][{key}]: Invalid value: "{value}": {"; ".join(wrong)}')
    return value


def from_label_selector(selector: Any) -> Selector:
    """The Selector of a `meta_v1.LabelSelector`: None selects nothing, an empty one everything."""
    if selector is None:
        return NOTHING
    requirements = [Requirement(k, "In", (v,)) for k, v in (selector.matchLabels or {}).items()]
    for e in selector.matchExpressions or ():
        if e.operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
            raise SelectorError(f'"{e.operator}" is not a valid label selector operator')
        requirements.append(Requirement(e.key, e.operator, tuple(e.values or ())))
    return Selector(tuple(requirements))


def from_labels(labels: Labels | None) -> Selector:
    """Selects what carries all these labels (a Service's or ReplicationController's selector)."""
    return Selector(tuple(Requirement(k, "In", (v,)) for k, v in (labels or {}).items()))


@lru_cache(maxsize=1024)
def parse_fields(text: str) -> Selector:
    """A field selector's text: `path=value`, `path==value`, `path!=value`, joined by commas; `\\` escapes `\\ , =`."""
    if len(text) > LENGTH_LIMIT:
        raise SelectorError(f"the selector is longer than {LENGTH_LIMIT} bytes")
    return Selector(tuple(_field_requirement(term) for term in re.split(r"(?<!\\),", text) if term))


def _field_requirement(term: str) -> Requirement:
    match = re.match(r"((?:[^\\=!]|\\.)+?)(!=|==|=)(.*)", term, re.DOTALL)
    if not match:
        raise SelectorError(f"invalid selector: '{term}'; can't understand '{term}'")
    path, operator, value = match.groups()
    return Requirement(path, "NotIn" if operator == "!=" else "In", (re.sub(r"\\([\\,=])", r"\1", value),))
