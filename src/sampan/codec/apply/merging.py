"""Putting an applied configuration into an object, and taking out what is applied no longer.

`merge` keeps all of the object that the configuration does not state. Elements that are new to a list come where the
configuration has them relative to those that both have. `remove` takes the paths of a set out of a value.
"""

from __future__ import annotations

from typing import Any

from sampan.codec.apply.fieldset import LEAF, SELF, Tree, holds
from sampan.codec.apply.shapes import MISSING, List, Shape, Struct


def merge(live: Any, config: Any, shape: Shape) -> Any:
    """The live value with the configuration in it; neither is changed."""
    if config is MISSING:
        return live
    if live is MISSING or shape.atomic or not (live or config):
        return config
    if not config:
        return live
    if isinstance(shape, List):
        return _merge_list(live or [], config, shape)
    return _merge_object(live or {}, config, shape)


def _merge_object(live: dict[str, Any], config: dict[str, Any], shape: Shape) -> dict[str, Any]:
    result = dict(live)
    for element, value, inner in shape.items(config):
        name = element[2:]
        result[name] = merge(live.get(name, MISSING), value, inner)
    return result


def _merge_list(live: list[Any], config: list[Any], shape: List) -> list[Any]:
    """Elements of both lists; where the order of those they share differs, that of the configuration holds."""
    ours, theirs = [shape.element(i) for i in live], [shape.element(i) for i in config]
    stated = dict(zip(theirs, config, strict=True))
    known: dict[str, Any] = {}
    for element, item in zip(ours, live, strict=True):
        known.setdefault(element, item)
    shared = iter([e for e in theirs if e in known])
    expected = next(shared, None)
    done: set[str] = set()
    result: list[Any] = []
    left = right = 0

    def take_stated() -> None:
        nonlocal right, expected
        element = theirs[right]
        done.add(element)
        result.append(merge(known.get(element, MISSING), stated[element], shape.item))
        right += 1
        if element == expected:
            expected = next(shared, None)

    while left < len(ours) or right < len(theirs):
        if left < len(ours):
            element = ours[left]
            if right < len(theirs) and element == theirs[right]:
                left += 1
                take_stated()
                continue
            if element not in stated:
                result.append(live[left])
                left += 1
                continue
            if element in done or (right < len(theirs) and expected is not None and element != expected):
                left += 1
                continue
        if right < len(theirs):
            take_stated()
    return result


def remove(value: Any, paths: Tree, shape: Shape) -> Any:
    """The value without these paths; None when nothing of it is left."""
    if shape.atomic or not value or not paths:
        return value
    if isinstance(shape, List):
        kept = [item for item in (_kept(shape.element(i), i, paths, shape.item) for i in value) if item is not MISSING]
        return kept or None
    result = {}
    for name, item in value.items():
        inner = _inner(shape, name)
        kept_item = _kept(f"f:{name}", item, paths, inner) if inner is not None else item
        if kept_item is not MISSING:
            result[name] = kept_item
    return result or None


def _kept(element: str, item: Any, paths: Tree, shape: Shape) -> Any:
    node = paths.get(element)
    if node is None:
        return item
    return MISSING if holds(node) else remove(item, node, shape)


def _inner(shape: Shape, name: str) -> Shape | None:
    if isinstance(shape, Struct):
        found = shape.field(name)
        return found[1] if found else None
    return shape.item  # type: ignore[attr-defined]


def with_fields(paths: Tree, shape: Shape | None) -> Tree:
    """The set with the named fields on the way to its paths added: whoever owns `a.b` of a struct keeps `a`."""
    result: Tree = {}
    for element, node in paths.items():
        inner = _shape_at(shape, element)
        below = with_fields(node, inner) if node else LEAF
        if isinstance(shape, Struct) and element[:2] == "f:" and not holds(node) and element[2:] in shape.info.fields:
            below = {SELF: LEAF, **below}
        result[element] = below
    return result


def _shape_at(shape: Shape | None, element: str) -> Shape | None:
    if element == SELF or shape is None:
        return None
    if isinstance(shape, Struct):
        found = shape.field(element[2:])
        return found[1] if found else None
    return getattr(shape, "item", None)
