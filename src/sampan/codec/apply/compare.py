"""The fields of a value, and how two values differ, as sets of paths.

Both walk a JSON value along its shape. An atomic value, and a list or object that is empty on both sides, is one path.
What appears or disappears as a whole counts with all its parts: its own path (so that the set says who brought the list
element) and every path below it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sampan.codec.apply.fieldset import LEAF, SELF, Tree, union, without
from sampan.codec.apply.shapes import MISSING, List, Shape, Struct, Together


class Comparison(NamedTuple):
    """Paths that only the new value has, that both have with different values, that only the old one has."""

    added: Tree
    modified: Tree
    removed: Tree

    @property
    def changed(self) -> Tree:
        return union(self.added, self.modified)

    def excluding(self, ignored: Tree) -> Comparison:
        return Comparison(*(without(tree, ignored) for tree in self)) if ignored else self


def compare(old: Any, new: Any, shape: Shape) -> Comparison:
    """How `new` differs from `old`; both JSON objects of that shape."""
    if old == new:
        return Comparison({}, {}, {})
    return Comparison(*(tree or {} for tree in _children(shape, old, new)))


Three = tuple[Tree | None, Tree | None, Tree | None]


def _walk(shape: Shape, old: Any, new: Any) -> Three:
    """(added, modified, removed) at and below one path; None for nothing."""
    if shape.atomic or not (_full(old) or _full(new)) or isinstance(old, Together) or isinstance(new, Together):
        if old is MISSING:
            return LEAF, None, None
        return (None, None, LEAF) if new is MISSING else (None, LEAF, None)
    added, modified, removed = _children(shape, old, new)
    if old is MISSING:
        added = {SELF: LEAF, **added} if added else LEAF
    elif new is MISSING:
        removed = {SELF: LEAF, **removed} if removed else LEAF
    return added, modified, removed


def _full(value: Any) -> bool:
    return value is not MISSING and bool(value)


def _children(shape: Shape, old: Any, new: Any) -> Three:
    before = shape.parts(old) if _full(old) else {}
    after = shape.parts(new) if _full(new) else {}
    trees: tuple[Tree, Tree, Tree] = ({}, {}, {})
    for key, value in after.items():
        was = before.get(key, MISSING)
        if was is MISSING or value != was:
            element, inner = shape.part(key)
            if was is MISSING or _differ(inner, was, value):
                _put(trees, element, _walk(inner, was, value))
    for key, value in before.items():
        if key not in after:
            element, inner = shape.part(key)
            _put(trees, element, _walk(inner, value, MISSING))
    return trees[0] or None, trees[1] or None, trees[2] or None


def _differ(shape: Shape, old: Any, new: Any) -> bool:
    """Whether unequal values are so once stored; only what has one owner as a whole need be looked at here."""
    return not (shape.atomic and isinstance(shape, Struct)) or bool(shape.settled(old) != shape.settled(new))


def _put(trees: tuple[Tree, Tree, Tree], element: str, found: Three) -> None:
    for tree, node in zip(trees, found, strict=True):
        if node is not None:
            tree[element] = node


def fields(value: Any, shape: Shape) -> Tree:
    """The set of fields that a JSON object states: leaves, list elements, map keys, empty objects."""
    result: Tree = {}
    for element, item, inner in shape.items(value):
        node = _fields(item, inner)
        if node is None and (isinstance(shape, List) or item is None or item == {} or not isinstance(shape, Struct)):
            node = LEAF
        elif node and not isinstance(shape, Struct):
            node = {SELF: LEAF, **node}
        if node is not None:
            result[element] = node
    return result


def _fields(value: Any, shape: Shape) -> Tree | None:
    """A node for what is at and below a path, None for nothing."""
    if shape.atomic:
        return LEAF
    return fields(value, shape) or None if value else None
