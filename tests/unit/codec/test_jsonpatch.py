"""RFC 6902, appendix A, and what upstream's library adds and bounds."""

from __future__ import annotations

import contextlib
import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.codec import jsonpatch
from sampan.codec.errors import PatchError

CASES = [
    ("A.1 add member", {"foo": "bar"}, [("add", "/baz", "qux")], {"foo": "bar", "baz": "qux"}),
    ("A.2 add element", {"foo": ["bar", "baz"]}, [("add", "/foo/1", "qux")], {"foo": ["bar", "qux", "baz"]}),
    ("A.3 remove member", {"baz": "qux", "foo": "bar"}, [("remove", "/baz")], {"foo": "bar"}),
    ("A.4 remove element", {"foo": ["bar", "qux", "baz"]}, [("remove", "/foo/1")], {"foo": ["bar", "baz"]}),
    ("A.5 replace", {"baz": "qux", "foo": "bar"}, [("replace", "/baz", "boo")], {"baz": "boo", "foo": "bar"}),
    ("A.8 test", {"baz": "qux", "foo": ["a", 2]}, [("test", "/baz", "qux"), ("test", "/foo/1", 2)], None),
    ("A.10 nested", {"foo": "bar"}, [("add", "/child", {"g": {}})], {"foo": "bar", "child": {"g": {}}}),
    ("A.14 escape", {"/": 9, "~1": 10}, [("test", "/~01", 10)], None),
    ("A.16 append array", {"foo": ["bar"]}, [("add", "/foo/-", ["abc", "def"])], {"foo": ["bar", ["abc", "def"]]}),
    ("negative index", {"foo": [1, 2]}, [("replace", "/foo/-1", 3)], {"foo": [1, 3]}),
    ("test of nothing is null", {}, [("test", "/foo", None)], None),
    ("whole document", {"a": 1}, [("replace", "", {"b": 2})], {"b": 2}),
    ("replaced value is patched", {}, [("add", "/a", {}), ("add", "/a/b", 1)], {"a": {"b": 1}}),
]


def operations(steps: list[tuple]) -> list[dict]:
    return [dict(zip(("op", "path", "value"), step, strict=False)) for step in steps]


@pytest.mark.parametrize(("document", "steps", "result"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_operations(document: dict, steps: list[tuple], result: dict | None) -> None:
    before = copy.deepcopy(document)
    assert jsonpatch.apply(document, operations(steps)) == (before if result is None else result)
    assert document == before


def test_move_and_copy() -> None:
    document = {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}}
    moved = jsonpatch.apply(document, [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}])
    assert moved == {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}}
    copied = jsonpatch.apply(
        document, [{"op": "copy", "from": "/foo", "path": "/n"}, {"op": "add", "path": "/n/x", "value": 1}]
    )
    assert copied["foo"] == document["foo"]
    assert copied["n"] == {"bar": "baz", "waldo": "fred", "x": 1}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/foo", "value": "other"},
        {"op": "test", "path": "/foo", "value": True},
        {"op": "remove", "path": "/nothing/here"},
        {"op": "remove", "path": ""},
        {"op": "replace", "path": "/nothing", "value": 1},
        {"op": "add", "path": "/nothing/here", "value": 1},
        {"op": "add", "path": "/list/5", "value": 1},
        {"op": "add", "path": "/list/-7", "value": 1},
        {"op": "add", "path": "/list/x", "value": 1},
        {"op": "add", "path": "/list/٣", "value": 1},
        {"op": "add", "path": "no-slash", "value": 1},
        {"op": "add", "path": "/a"},
        {"op": "add", "value": 1},
        {"op": "explode", "path": "/foo"},
        {"op": ["add"], "path": "/foo"},
        {"op": "move", "from": "/list", "path": "/list/0"},
        {"op": "move", "path": "/list"},
        {"op": "copy", "from": "/nothing", "path": "/x"},
        {"path": "/foo"},
        {},
    ],
)
def test_what_does_not_apply_is_422(operation: dict) -> None:
    with pytest.raises(PatchError) as error:
        jsonpatch.apply({"foo": 1, "list": [1]}, [operation])
    assert (error.value.code, error.value.reason, error.value.details) == (422, "Invalid", {})
    assert error.value.message == "the server rejected our request due to an error in our request"


def test_bounds() -> None:
    step = b'{"op":"add","path":"/a","value":1}'
    assert len(jsonpatch.decode(b"[" + b",".join([step] * 10_000) + b"]")) == 10_000
    with pytest.raises(PatchError) as error:
        jsonpatch.decode(b"[" + b",".join([step] * 10_001) + b"]")
    assert error.value.code == 413
    assert error.value.message == "The allowed maximum operations in a JSON patch is 10000, got 10001"
    doubling = [{"op": "copy", "from": "/a", "path": "/a/-"}] * 60
    with pytest.raises(PatchError):
        jsonpatch.apply({"a": ["x" * 10]}, doubling)


@pytest.mark.parametrize("data", [b"{}", b"[1]", b"[", b"\xff", b"[" * 100_000, b'"x"'])
def test_what_is_no_patch_is_400(data: bytes) -> None:
    with pytest.raises(ValueError) as error:
        jsonpatch.decode(data)
    assert error.value.code == 400  # type: ignore[attr-defined]


values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab0"), inner, max_size=3),
    max_leaves=12,
)
paths = st.lists(st.sampled_from(["a", "b", "0", "1", "-", "-1"]), max_size=3).map(
    lambda p: "".join(f"/{x}" for x in p)
)


@given(
    values,
    st.lists(
        st.fixed_dictionaries(
            {"op": st.sampled_from(sorted(jsonpatch.ACTIONS)), "path": paths, "from": paths, "value": values}
        ),
        max_size=5,
    ),
)
def test_never_changes_its_arguments_and_never_crashes(document: object, steps: list[dict]) -> None:
    before = copy.deepcopy((document, steps))
    with contextlib.suppress(PatchError):
        jsonpatch.apply(document, steps)
    assert (document, steps) == before


@given(values, values)
def test_replace_then_test(document: object, value: object) -> None:
    wrapped = jsonpatch.apply({"x": document}, operations([("replace", "/x", value), ("test", "/x", value)]))
    assert wrapped == {"x": value}
