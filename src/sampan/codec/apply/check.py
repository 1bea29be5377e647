"""Whether an applied configuration has the form of its type: known fields, right kinds of values, no element twice.

Upstream finds this before anything else, in words of its own, which are kept here together with its way of printing Go
values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sampan.codec import golang
from sampan.codec.apply.fieldset import element_text
from sampan.codec.apply.shapes import Keyed, List, Map, Shape, Struct

NUMBERS = ("integer", "number")
UNDECLARED = "field not declared in schema"
DUPLICATE = "duplicate entries for key"


def problems(value: Any, shape: Shape, path: str = "") -> Iterator[str]:
    """What is wrong, as `.spec.bogus: field not declared in schema`."""
    if value is None:
        return
    if isinstance(shape, List):
        yield from _list(value, shape, path)
    elif isinstance(shape, Struct | Map):
        yield from _object(value, shape, path)
    else:
        yield from _scalar(value, shape.scalar, path)


def message(found: list[str]) -> str:
    """All problems in one text."""
    return found[0] if len(found) == 1 else "\n  ".join(["errors:", *found])


def code(found: list[str]) -> int:
    """The status for these problems: 500 where upstream was recorded to answer so, else 400."""
    return 500 if any(UNDECLARED in text or DUPLICATE in text for text in found) else 400


def _object(value: Any, shape: Struct | Map, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: expected map, got {_pointer(value)}"
        return
    for name, item in value.items():
        here = f"{path}.{name}"
        if isinstance(shape, Map):
            yield from problems(item, shape.item, here)
        elif (found := shape.field(name)) is None:
            yield f"{here}: {UNDECLARED}"
        else:
            yield from problems(item, found[1], here)


def _list(value: Any, shape: List, path: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{path}: expected list, got {_pointer(value)}"
        return
    seen: set[str] = set()
    for index, item in enumerate(value):
        if shape.atomic:
            yield from problems(item, shape.item, f"{path}[{index}]")
            continue
        wrong = _no_key(item, shape)
        if wrong:
            yield f"{path}: element {index}: {wrong}"
            continue
        element = shape.element(item)
        if element in seen:
            yield f"{path}: {DUPLICATE} {element_text(element)}"
        seen.add(element)
        yield from problems(item, shape.item, path + element_text(element))


def _no_key(item: Any, shape: List) -> str:
    """Why an element cannot be told from others, "" when it can."""
    if not isinstance(shape, Keyed):
        if item is None or isinstance(item, dict | list):
            return "associative list without keys may not have elements that are null, lists or maps"
        return ""
    if item is None:
        return "associative list with keys may not have a null element"
    if not isinstance(item, dict):
        return "associative list with keys may not have non-map elements"
    if all(item.get(k, shape.defaults.get(k)) is None for k in shape.keys):
        names = " ".join(golang.quoted(k) for k in shape.keys)
        return (
            f"associative list with keys has an element that omits all key fields [{names}] "
            "(and doesn't have default values for any key fields)"
        )
    return ""


def _scalar(value: Any, scalar: str, path: str) -> Iterator[str]:
    if scalar in NUMBERS and (isinstance(value, bool) or not isinstance(value, int | float)):
        yield f"{path}: expected numeric (int or float), got {golang.kind(value)}"
    elif scalar == "boolean" and not isinstance(value, bool):
        yield f"{path}: expected boolean, got {_pointer(value)}"
    elif scalar in ("string", "Time", "MicroTime") and not isinstance(value, str):
        yield f"{path}: expected string, got &value.valueUnstructured{{Value:{_literal(value)}}}"
    elif scalar in ("Quantity", "IntOrString") and isinstance(value, dict | list):
        yield f"{path}: expected any scalar, got {_pointer(value)}"


def _pointer(value: Any) -> str:
    return f"&{{{golang.plain(value)}}}"


def _literal(value: Any) -> str:
    """Go's %#v of a value that is no text."""
    if isinstance(value, dict):
        inner = ", ".join(f"{golang.quoted(k)}:{_literal(value[k])}" for k in sorted(value))
        return f"map[string]interface {{}}{{{inner}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(_literal, value))}}}"
    return golang.quoted(value) if isinstance(value, str) else golang.plain(value)
