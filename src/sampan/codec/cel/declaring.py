"""Kubernetes' functions (`library`) as the implementation of the language takes them.

Types are looked at when an expression is compiled; when it is evaluated, functions are told apart by the sort of their
parameters alone, and all lists, all maps and all messages are of one sort. So of overloads that differ in nothing else,
one is given its implementation, which is that of all; more would be refused. A name that the language has already can
only be extended, by an extension.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from sampan.codec.cel import library
from sampan.codec.cel.library import addresses, maps, values
from sampan.codec.cel.library.function import Function
from sampan.codec.cel.rewriting import Behind
from sampan.codec.cel.typenames import of_text


class Declared(NamedTuple):
    """What an environment is made with. `own`: the names of functions that Python evaluates."""

    config: str
    extension: Any
    functions: list[Any]
    implementations: dict[str, Callable[..., Any]]
    behind: dict[str, Behind]
    overloads: frozenset[str]
    own: frozenset[str]


@cache
def declared() -> Declared:
    """Once for all environments: they are alike in this."""
    from cel_expr_python import cel

    addresses.values()
    values.values()
    optional = [function for function in library.FUNCTIONS if function.optional]
    extending = [function for function in library.FUNCTIONS if function.also]
    own = [*(f for f in library.FUNCTIONS if not f.also and not f.optional), *map(_hidden, optional)]
    config = {
        "extensions": [{"name": name} for name in library.COMMUNITY],
        "functions": [_described(function) for function in optional],
    }
    return Declared(
        json.dumps(config),
        cel.CelExtension("kubernetes", _declarations(_apart(extending), with_implementations=True)),
        _declarations(own, with_implementations=False),
        {_identifier(function): function.of for function in _apart(own)},
        {library.UNFINISHED: Behind(maps.NAME)} | {f.name: Behind(_hidden(f).name, optional=True) for f in optional},
        frozenset({*library.UNFINISHED_OVERLOADS, *map(_identifier, optional)}),
        frozenset(function.name for function in (*own, *extending)),
    )


def _hidden(function: Function) -> Function:
    """What is behind a function that gives an optional value: it gives the value."""
    return function._replace(name=f"kubernetes.@{function.name.rpartition('.')[2]}")


def _described(function: Function) -> dict[str, Any]:
    """One that is declared only: types in the words of the library's configuration."""
    overload: dict[str, Any] = {
        "id": _identifier(function),
        "args": [_type(parameter) for parameter in function.parameters[function.member :]],
        "return": {"type_name": "optional_type", "params": [_type(function.returns)]},
    }
    if function.member:
        overload["target"] = _type(function.parameters[0])
    return {"name": function.name, "overloads": [overload]}


def _type(text: str) -> dict[str, Any]:
    name, _, parameter = text.removesuffix(")").partition("(")
    return {"type_name": name} | ({"params": [_type(parameter)]} if parameter else {})


def _declarations(functions: list[Function], *, with_implementations: bool) -> list[Any]:
    from cel_expr_python import cel

    by_name: dict[str, list[Any]] = {}
    for function in functions:
        given = {"impl": function.of} if with_implementations else {}
        overload = cel.Overload(
            _identifier(function),
            of_text(function.returns),
            [of_text(parameter) for parameter in function.parameters],
            function.member,
            **given,
        )
        by_name.setdefault(function.name, []).append(overload)
    return [cel.FunctionDecl(name, overloads) for name, overloads in by_name.items()]


def _apart(functions: list[Function]) -> list[Function]:
    """Those that are told apart when evaluated."""
    found: dict[Any, Function] = {}
    for function in functions:
        found.setdefault((function.name, function.member, tuple(map(_sort, function.parameters))), function)
    return list(found.values())


def _sort(parameter: str) -> str:
    return "message" if "." in parameter else parameter.partition("(")[0]


def _identifier(function: Function) -> str:
    return "_".join((function.name, *function.parameters)).replace(".", "_").replace("(", "_").replace(")", "")
