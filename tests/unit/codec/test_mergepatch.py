"""RFC 7386, appendix A, and the laws of merging."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.codec import mergepatch
from sampan.codec.errors import CodecError

RFC = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    (["c"], {"a": "b"}, {"a": "b"}),
]


@pytest.mark.parametrize(("document", "patch", "result"), RFC)
def test_rfc_examples(document: object, patch: dict, result: object) -> None:
    assert mergepatch.apply(document, patch) == result


@pytest.mark.parametrize("data", [b"[]", b"1", b"", b"{", b"\xff{}", b'{"a":' * 100_000])
def test_what_is_no_patch_is_400(data: bytes) -> None:
    with pytest.raises(CodecError) as error:
        mergepatch.decode(data)
    assert error.value.code == 400


scalars = st.booleans() | st.integers(-2, 2) | st.text("ab", max_size=2)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from("abc"), values, max_size=3)
patches = st.dictionaries(st.sampled_from("abc"), values | st.none(), max_size=3)


@given(objects, patches)
def test_applying_twice_is_applying_once(document: dict, patch: dict) -> None:
    before = copy.deepcopy(document)
    once = mergepatch.apply(document, patch)
    assert mergepatch.apply(once, patch) == once
    assert document == before


@given(objects, objects)
def test_a_diff_brings_one_object_to_the_other(old: dict, new: dict) -> None:
    assert mergepatch.same(mergepatch.apply(old, mergepatch.diff(old, new)), new)
    assert mergepatch.diff(old, old) == {}
