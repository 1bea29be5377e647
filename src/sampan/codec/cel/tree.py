"""A compiled expression as a tree, for whoever asks what it uses.

The library hands out its checked form as protobuf: `google.protobuf.Any` of `cel.expr.CheckedExpr`
(https://github.com/google/cel-spec/blob/master/proto/cel/expr/syntax.proto). Of its fields a few numbers are needed,
so they are read off the wire here instead of carrying generated code.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import NamedTuple

ANY_VALUE, CHECKED_EXPR = 2, 4
CONSTANT, IDENTIFIER, SELECT, CALL, LIST, STRUCT, COMPREHENSION = 3, 4, 5, 6, 7, 8, 9
INTEGER_CONSTANT, STRING_CONSTANT, BYTES_CONSTANT = 3, 6, 7
ACCUMULATOR, SECOND = 3, 8
OPTIONAL_SELECT = "_?._"


class Node(NamedTuple):
    """One part of an expression. `name`: an identifier's name, a selected field, a called function, a string constant.
    `children`: the operand of a selection, the target and arguments of a call, and so on. `binds`: what a comprehension
    calls an item, its second part (a value, an item's own) and what has been made so far. `length`: a constant's, of
    characters or bytes. `number`: a constant that is a whole number, and no less than none.
    """

    kind: int
    name: str
    children: tuple[Node, ...]
    binds: tuple[str, str, str] = ("", "", "")
    length: int = 0
    number: int | None = None


def parse(serialized: bytes) -> Node:
    """The tree of a serialized checked expression."""
    checked = next(value for number, value in _fields(serialized) if number == ANY_VALUE)
    return _expression(next(value for number, value in _fields(checked) if number == CHECKED_EXPR))


def selects(node: Node, variable: str, field: str) -> bool:
    """Whether `variable.field`, or `variable.?field`, occurs anywhere."""
    if node.children and (node.children[0].kind, node.children[0].name) == (IDENTIFIER, variable):
        if node.kind == SELECT and node.name == field:
            return True
        if node.kind == CALL and node.name == OPTIONAL_SELECT and node.children[1].name == field:
            return True
    return any(selects(child, variable, field) for child in node.children)


def calls(node: Node, functions: Set[str]) -> bool:
    """Whether one of the functions is called anywhere."""
    return (node.kind == CALL and node.name in functions) or any(calls(child, functions) for child in node.children)


def _expression(data: bytes) -> Node:
    for kind, body in _fields(data):
        if kind in _READERS:
            name, parts = _READERS[kind]
            fields = list(_fields(body))
            named = _text(fields, name)
            if kind == CONSTANT:
                return _constant(named, body, fields)
            children = tuple(_children(kind, [value for number, value in fields if number in parts]))
            if kind == COMPREHENSION:
                return Node(kind, named, children, (named, _text(fields, SECOND), _text(fields, ACCUMULATOR)))
            return Node(kind, named, children)
    return Node(0, "", ())


def _text(fields: list[tuple[int, bytes]], wanted: int) -> str:
    return next((value.decode() for number, value in fields if number == wanted), "")


def _constant(name: str, body: bytes, fields: list[tuple[int, bytes]]) -> Node:
    length = sum(len(value) for number, value in fields if number in (STRING_CONSTANT, BYTES_CONSTANT))
    is_whole = bool(body) and body[0] >> 3 == INTEGER_CONSTANT
    number = varint(body, 1)[0] if is_whole else None
    return Node(CONSTANT, name, (), length=length, number=None if number is None or number >> 63 else number)


_READERS: dict[int, tuple[int, tuple[int, ...]]] = {
    CONSTANT: (STRING_CONSTANT, ()),
    IDENTIFIER: (1, ()),
    SELECT: (2, (1,)),
    CALL: (2, (1, 3)),
    LIST: (0, (1,)),
    STRUCT: (1, (2,)),
    COMPREHENSION: (1, (2, 4, 5, 6, 7)),
}
"""Kind to the number of the field with its name, and the numbers of those with expressions."""
ENTRY_PARTS = (3, 4)


def _children(kind: int, parts: list[bytes]) -> Iterator[Node]:
    for part in parts:
        if kind == STRUCT:
            yield from (_expression(value) for number, value in _fields(part) if number in ENTRY_PARTS)
        else:
            yield _expression(part)


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The length-delimited fields of a message; others are passed over."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            _, at = varint(data, at)
        elif wire == 2:
            length, at = varint(data, at)
            yield number, data[at : at + length]
            at += length
        else:
            at += 8 if wire == 1 else 4


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
