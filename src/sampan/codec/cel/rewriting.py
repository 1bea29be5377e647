"""What the implementation of the language cannot evaluate, in terms of what it can: done to the checked form.

Expressions are checked with the functions as upstream declares them, and evaluated with others behind them, whose names
cannot be written (`kubernetes.@insert`). Two sorts of functions need it: one that the implementation declares and lacks
(`cel.@mapInsert`, which `transformMap` and `transformMapEntry` are made of), and those that give an optional value,
which Python cannot: theirs give the value, and become `optional.ofNonZeroValue(...)` of it. The form is `tree`'s; all
that is not rewritten stays as it is, byte by byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import NamedTuple

from sampan.codec.cel.tree import ANY_VALUE, CALL, CHECKED_EXPR, COMPREHENSION, LIST, SELECT, STRUCT, varint
from sampan.codec.protobuf.wire import written

REFERENCE_MAP, REFERENCE, OVERLOAD, IDENTITY = 2, 2, 3, 2
TARGET, FUNCTION, ARGUMENT = 1, 2, 3
FIRST_NEW = 1 << 30
"""Parts of an expression are numbered; those added begin far behind those that are there."""
PARTS: dict[int, Mapping[int, object]] = {
    SELECT: {1: None},
    CALL: {TARGET: None, ARGUMENT: None},
    LIST: {1: None},
    STRUCT: {2: {3: None, 4: None}},
    COMPREHENSION: dict.fromkeys((2, 4, 5, 6, 7)),
}
"""By kind, the fields with expressions (None), or with messages that have some."""


class Behind(NamedTuple):
    """What is evaluated in place of a function; `optional`: an empty value of it is none."""

    name: str
    optional: bool = False


def rewritten(serialized: bytes, behind: Mapping[str, Behind], overloads: frozenset[str]) -> bytes:
    """The checked expression with `behind` in place of their keys, whose overloads are these."""
    return _Rewriting(behind, overloads).any(serialized)


class _Rewriting:
    def __init__(self, behind: Mapping[str, Behind], overloads: frozenset[str]) -> None:
        self._behind = behind
        self._overloads = {one.encode() for one in overloads}
        self._new = count(FIRST_NEW)

    def any(self, data: bytes) -> bytes:
        return b"".join(_field(n, self._checked(v)) if n == ANY_VALUE else raw for raw, n, v in _fields(data))

    def _checked(self, data: bytes) -> bytes:
        made = []
        for raw, number, value in _fields(data):
            if number == CHECKED_EXPR:
                raw = _field(number, self._expression(value))
            elif number == REFERENCE_MAP and self._is_replaced(value):
                continue
            made.append(raw)
        return b"".join(made)

    def _is_replaced(self, entry: bytes) -> bool:
        references = [value for _, number, value in _fields(entry) if number == REFERENCE]
        return any(n == OVERLOAD and v in self._overloads for one in references for _, n, v in _fields(one))

    def _expression(self, data: bytes) -> bytes:
        made, optional = [], False
        for raw, number, value in _fields(data):
            if number in PARTS:
                value = self._within(value, PARTS[number])
                if number == CALL:
                    value, optional = self._call(value)
                raw = _field(number, value)
            made.append(raw)
        whole = b"".join(made)
        return self._wrapped(whole) if optional else whole

    def _within(self, data: bytes, parts: Mapping[int, object]) -> bytes:
        made = []
        for raw, number, value in _fields(data):
            if number in parts:
                inner = parts[number]
                raw = _field(number, self._within(value, inner) if isinstance(inner, dict) else self._expression(value))
            made.append(raw)
        return b"".join(made)

    def _call(self, data: bytes) -> tuple[bytes, bool]:
        fields = list(_fields(data))
        name = next((value.decode() for _, number, value in fields if number == FUNCTION), "")
        behind = self._behind.get(name)
        if behind is None:
            return data, False
        replaced = [_field(n, behind.name.encode()) if n == FUNCTION else raw for raw, n, _ in fields]
        return b"".join(replaced), behind.optional

    def _wrapped(self, expression: bytes) -> bytes:
        call = _field(FUNCTION, b"optional.ofNonZeroValue") + _field(ARGUMENT, expression)
        return written(IDENTITY << 3) + written(next(self._new)) + _field(CALL, call)


def _fields(data: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Each field as it is, its number, and what it holds if that has a length."""
    at = 0
    while at < len(data):
        begin = at
        tag, at = varint(data, at)
        wire, value = tag & 7, b""
        if wire == 0:
            _, at = varint(data, at)
        elif wire == 2:
            length, at = varint(data, at)
            value, at = data[at : at + length], at + length
        else:
            at += 8 if wire == 1 else 4
        yield data[begin:at], tag >> 3, value


def _field(number: int, value: bytes) -> bytes:
    return written(number << 3 | 2) + written(len(value)) + value
