"""Sets of field paths, in the very form they are stored in (`fieldsV1`), and their algebra.

A set is a tree of dicts. A key is a path element: `f:name` a field or map key, `k:{"name":"c"}` an element of a keyed
list, `v:"x"` an element of a set, `i:0` an index. A node says two things: that its own path is in the set, and what
below it is. `{}` is a path and nothing below it; `{".": {}, ...}` a path and more; a node without "." only leads to
what is below. A root is the children of a node that is never in the set itself, so an empty root is the empty set.

Trees are values: no function changes its arguments, and results share what did not change.
(https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management, KEP-555)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from sampan.codec import json

Tree = dict[str, Any]
SELF = "."
LEAF: Tree = {}
ORDER = {SELF: 0, "f": 1, "k": 2, "v": 3, "i": 4}


def holds(node: Tree) -> bool:
    """Whether a node's own path is in the set."""
    return not node or SELF in node


def union(left: Tree, right: Tree) -> Tree:
    """Paths that are in either of two roots."""
    if not left or left is right:
        return right
    if not right:
        return left
    result = dict(left)
    for key, node in right.items():
        mine = result.get(key)
        result[key] = node if mine is None else _union(mine, node)
    return result


def _union(left: Tree, right: Tree) -> Tree:
    if not left or not right:
        more = left or right
        return more if not more or SELF in more else {SELF: LEAF, **more}
    return union(left, right)


def intersection(left: Tree, right: Tree) -> Tree:
    """Paths that are in both of two roots."""
    result = {}
    for key, node in left.items():
        other = right.get(key)
        if other is not None and (found := _intersection(node, other)) is not None:
            result[key] = found
    return result


def _intersection(left: Tree, right: Tree) -> Tree | None:
    if not left or not right:
        return LEAF if holds(left) and holds(right) else None
    return _node(intersection(left, right))


def difference(left: Tree, right: Tree) -> Tree:
    """Paths of one root that are not in the other; what is below a removed path stays."""
    if not left or not right:
        return left
    result = {}
    for key, node in left.items():
        other = right.get(key)
        if other is None:
            result[key] = node
        elif (rest := _difference(node, other)) is not None:
            result[key] = rest
    return result


def _difference(left: Tree, right: Tree) -> Tree | None:
    if not left:
        return None if holds(right) else left
    if not right:
        return _node({k: v for k, v in left.items() if k != SELF})
    return _node(difference(left, right))


def without(left: Tree, right: Tree) -> Tree:
    """Paths of one root that are neither in the other nor below one that is."""
    if not left or not right:
        return left
    result = {}
    for key, node in left.items():
        other = right.get(key)
        if other is None:
            result[key] = node
        elif not holds(other) and (not node or (rest := without(node, other))):
            result[key] = node if not node else LEAF if list(rest) == [SELF] else rest
    return result


def _node(found: Tree) -> Tree | None:
    """A node from what is left of it: None when nothing is, a leaf when only its own path is."""
    if not found:
        return None
    return LEAF if len(found) == 1 and SELF in found else found


def ordered(tree: Tree) -> Tree:
    """The same set with its keys in upstream's order: the path itself, fields, keys, values, indexes. What is written
    down already (see `created`) has it.
    """
    if isinstance(tree, msgspec.Raw):
        return tree
    return {key: ordered(tree[key]) for key in sorted(tree, key=_rank)}


def _rank(key: str) -> tuple[int, str]:
    return ORDER.get(key.partition(":")[0], 5), key


def paths(tree: Tree, prefix: str = "") -> Iterator[str]:
    """The paths of a set as messages write them: `.spec.containers[name="c"].image`."""
    for key in sorted(tree, key=_rank):
        if key != SELF:
            here = prefix + element_text(key)
            if holds(tree[key]):
                yield here
            yield from paths(tree[key], here)


def element_text(key: str) -> str:
    """A path element as messages write it: `.image`, `[name="c"]`, `[="x"]`, `[0]`."""
    sort, _, rest = key.partition(":")
    if sort == "f":
        return f".{rest}"
    if sort == "k":
        values = json.decode(rest)
        return f"[{','.join(f'{k}={json.encode(values[k]).decode()}' for k in sorted(values))}]"
    return f"[={rest}]" if sort == "v" else f"[{rest}]"


def is_valid(tree: Any, depth: int = 0) -> bool:
    """Whether a JSON value, from a request, is a set of paths."""
    if not isinstance(tree, dict) or depth > 100:
        return False
    return all(_is_element(key) and is_valid(node, depth + 1) for key, node in tree.items())


def _is_element(key: str) -> bool:
    sort, colon, rest = key.partition(":")
    if key == SELF:
        return True
    if not colon or sort not in ORDER:
        return False
    if sort == "f":
        return bool(rest)
    if sort == "i":
        return rest.isascii() and rest.isdigit()
    try:
        value = json.decode(rest)
    except ValueError:
        return False
    return sort == "v" or isinstance(value, dict)
