"""What holds for any configuration: the laws of applying, and that nothing crashes."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.api import registry
from sampan.codec import apply
from sampan.codec.errors import CodecError, PatchError

from ..test_strategic import uncovered

BUILTIN = registry.builtin()
MAP, POD = BUILTIN.kind("v1", "ConfigMap"), BUILTIN.kind("v1", "Pod")
NOW = 1_000_000_000.0

texts = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["", "1", "2"]), max_size=3)
configs = st.builds(
    lambda labels, data, finalizers: {
        "metadata": {"name": "x", "labels": labels, "finalizers": sorted(finalizers)},
        "data": data,
    },
    texts,
    texts,
    st.sets(st.sampled_from(["x/a", "x/b", "x/c"])),
)


def applied(kind: Any, live: Any, config: dict[str, Any], manager: str, now: float = NOW) -> Any:
    head = {"apiVersion": kind.api_version, "kind": kind.kind}
    result = apply.apply(kind, live, head | copy.deepcopy(config), manager=manager, now=now, force=True)
    return kind.decode(kind.encode(result))


def owned(obj: Any) -> dict[str, Any]:
    return {e.manager: e.fieldsV1 for e in obj.metadata.managedFields or []}


@given(configs, configs)
def test_the_object_holds_what_was_applied_last(first: dict[str, Any], second: dict[str, Any]) -> None:
    live = applied(MAP, applied(MAP, None, first, "a"), second, "b")
    full = {k: {f: v for f, v in part.items() if v} if k == "metadata" else part for k, part in second.items()}
    value = msgspec.to_builtins(live)
    assert [p for p in uncovered(full, value) if "finalizers" not in p and p != ".data"] == []
    assert set(second["metadata"]["finalizers"]) <= set(live.metadata.finalizers or ())


@given(configs, configs)
def test_applying_again_changes_nothing(first: dict[str, Any], second: dict[str, Any]) -> None:
    live = applied(MAP, applied(MAP, None, first, "a"), second, "b")
    assert applied(MAP, live, second, "b", NOW + 100) == live


@given(configs, configs)
def test_who_applies_nothing_leaves_no_trace(first: dict[str, Any], second: dict[str, Any]) -> None:
    """What only the second owned goes; what the first owns stays, unless the second took it over."""
    alone = applied(MAP, None, first, "a")
    both = applied(MAP, alone, second, "b")
    after = applied(MAP, both, {"metadata": {"name": "x"}}, "b")
    assert "b" not in owned(after)
    assert owned(after).get("a") == owned(both).get("a")
    assert set(after.data or {}) <= set(alone.data or {})
    assert set(after.metadata.finalizers or ()) == set(alone.metadata.finalizers or ())


@given(configs, texts)
def test_an_update_owns_exactly_what_it_changes(config: dict[str, Any], data: dict[str, str]) -> None:
    live = applied(MAP, None, config, "a")
    new = MAP.decode(MAP.encode(copy.deepcopy(live)))
    new.data = data
    apply.record(MAP, live, new, manager="u", now=NOW)
    old = live.data or {}
    changed = {f"f:{k}" for k, v in data.items() if old.get(k) != v}
    mine = owned(new).get("u", {}).get("f:data", {})
    assert {k for k in mine if k != "."} == changed
    theirs = owned(new).get("a", {}).get("f:data", {})
    assert {k for k in theirs if k != "."} == {f"f:{k}" for k in config["data"] if data.get(k) == config["data"][k]}


names = st.sampled_from(
    ["metadata", "spec", "containers", "name", "image", "ports", "labels", "containerPort", "x", "kind"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2**70) | st.floats(allow_nan=False) | st.text("aé\x00", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=15,
)
LIVE = applied(
    POD,
    None,
    {
        "metadata": {"name": "x"},
        "spec": {"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}]}]},
    },
    "a",
)


@settings(max_examples=200)
@given(st.dictionaries(names, values, max_size=4), st.booleans())
def test_any_configuration_is_applied_or_refused(config: dict[str, Any], exists: bool) -> None:
    try:
        applied(POD, LIVE if exists else None, config, "b")
    except PatchError as error:
        assert error.code in (400, 409, 500)


def test_a_key_that_is_null_is_none() -> None:
    with pytest.raises(PatchError, match="omits all key fields"):
        applied(POD, None, {"metadata": {"name": "x"}, "spec": {"containers": [{"name": None}]}}, "a")


@given(st.binary(max_size=30) | st.text(max_size=30))
def test_any_body_is_a_configuration_or_refused(body: bytes | str) -> None:
    try:
        assert isinstance(apply.decode(body)[0], dict)
    except CodecError as error:
        assert error.code == 400
