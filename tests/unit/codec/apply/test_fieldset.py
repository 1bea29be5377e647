"""The algebra of field sets, against sets of paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.codec.apply import fieldset
from sampan.codec.apply.fieldset import SELF, Tree, difference, intersection, ordered, paths, union, without

Path = tuple[str, ...]
elements = st.sampled_from(["f:a", "f:b", 'k:{"name":"c"}', 'v:"x"'])
sets = st.frozensets(st.lists(elements, min_size=1, max_size=4).map(tuple), max_size=8)


def tree(found: frozenset[Path]) -> Tree:
    """The tree of a set of paths."""
    root: Tree = {}
    for path in sorted(found, key=len, reverse=True):
        node = root
        for element in path[:-1]:
            node = node.setdefault(element, {})
        last = node.setdefault(path[-1], {})
        if last:
            last[SELF] = {}
    return root


def members(node: Tree, prefix: Path = ()) -> frozenset[Path]:
    """The set of paths of a tree."""
    found = frozenset[Path]()
    for element, inner in node.items():
        if element == SELF:
            continue
        here = (*prefix, element)
        found |= members(inner, here) | ({here} if not inner or SELF in inner else frozenset())
    return found


def minimal(node: Tree) -> bool:
    """No node is there for nothing, and none says what a leaf says."""
    return all(inner == {} or (list(inner) != [SELF] and minimal(inner)) for inner in node.values())


@given(sets)
def test_trees_are_sets(found: frozenset[Path]) -> None:
    assert members(tree(found)) == found
    assert minimal(tree(found))
    assert ordered(tree(found)) == tree(found)


@given(sets, sets)
def test_operations_are_those_of_sets(left: frozenset[Path], right: frozenset[Path]) -> None:
    one, two = tree(left), tree(right)
    for result, want in (
        (union(one, two), left | right),
        (intersection(one, two), left & right),
        (difference(one, two), left - right),
        (without(one, two), {p for p in left if not any(p[: n + 1] in right for n in range(len(p)))}),
    ):
        assert members(result) == want
        assert minimal(result)
    assert (one, two) == (tree(left), tree(right))


def test_paths_as_text() -> None:
    node = {
        "f:spec": {
            "f:containers": {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:name": {}}},
            "f:replicas": {},
        },
        "f:finalizers": {'v:"a/b"': {}, "i:0": {}},
    }
    assert list(paths(node)) == [
        '.finalizers[="a/b"]',
        ".finalizers[0]",
        '.spec.containers[containerPort=80,protocol="TCP"]',
        '.spec.containers[containerPort=80,protocol="TCP"].name',
        ".spec.replicas",
    ]


def test_order_is_upstreams() -> None:
    node = {"v:1": {}, "k:{}": {}, "f:b": {}, ".": {}, "f:a": {"f:z": {}, ".": {}}}
    assert list(ordered(node)) == [".", "f:a", "f:b", "k:{}", "v:1"]
    assert list(ordered(node)["f:a"]) == [".", "f:z"]


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"x": {}},
        {"f:": {}},
        {"f:a": []},
        {"k:[1]": {}},
        {"k:{": {}},
        {"v:": {}},
        {"i:-1": {}},
        {"q:a": {}},
        {"f:a": {"f:b": 1}},
    ],
)
def test_what_is_no_set(value: object) -> None:
    assert not fieldset.is_valid(value)


def test_what_is_a_set() -> None:
    assert fieldset.is_valid({})
    assert fieldset.is_valid({"f:a": {".": {}, 'k:{"n":1}': {}, "v:1": {}, "i:3": {}}})
    deep: Tree = {}
    for _ in range(500):
        deep = {"f:a": deep}
    assert not fieldset.is_valid(deep)
