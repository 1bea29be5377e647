"""Strategic merge patch: the scenarios, what upstream answered, and what no input may cause."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.api import schema
from sampan.codec import strategic
from sampan.codec.errors import PatchError

from . import recordings, scenarios

TYPES = schema.load().types
RECORDED = list(recordings.patches("strategic", "application/strategic-merge-patch+json"))
RECORDED += list(recordings.patches("patch", "application/strategic-merge-patch+json"))


@pytest.mark.parametrize("path", scenarios.files("strategic"), ids=lambda p: p.stem)
def test_scenario(path: Path) -> None:
    case = dict(scenarios.sections(path))
    document, patch = copy.deepcopy(case["document"]), copy.deepcopy(case["patch"])
    if "error" in case:
        with pytest.raises(PatchError) as error:
            strategic.apply(document, patch, TYPES[case["kind"]])
        assert {"code": error.value.code, "message": error.value.message} == case["error"]
    else:
        assert strategic.apply(document, patch, TYPES[case["kind"]]) == case["result"]
    assert (document, patch) == (case["document"], case["patch"])


def type_of(obj: dict[str, Any]) -> schema.TypeInfo:
    group, _, version = obj["apiVersion"].rpartition("/")
    return next(t for t in TYPES.values() if (group, version, obj["kind"]) in t.kinds)


@pytest.mark.skipif(not RECORDED, reason="the recorded conversations are not on this machine")
@pytest.mark.parametrize(("step", "live", "answer"), [r[1:] for r in RECORDED], ids=[r[0] for r in RECORDED])
def test_agrees_with_upstream(step: dict[str, Any], live: dict[str, Any], answer: dict[str, Any]) -> None:
    if answer["status"] >= 300:
        with pytest.raises(PatchError) as error:
            strategic.apply(live, step["b"], type_of(live))
        assert (error.value.code, error.value.message) == (answer["status"], answer["body"]["message"])
        return
    result = strategic.apply(live, step["b"], type_of(live))
    missing = uncovered(pruned(result), answer["body"])
    assert [path for path in missing if ".managedFields" not in path and path != ".metadata.generation"] == []


def pruned(value: Any) -> Any:
    """Without the empty maps that Go's encoder leaves out."""
    if isinstance(value, dict):
        return {k: pruned(v) for k, v in value.items() if v != {}}
    return [pruned(v) for v in value] if isinstance(value, list) else value


def uncovered(part: Any, whole: Any, path: str = "") -> list[str]:
    """Paths in `part` that `whole`, which defaults may have added to, does not agree with."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return [p for k, v in part.items() for p in uncovered(v, whole.get(k), f"{path}.{k}")]
    if isinstance(part, list) and isinstance(whole, list) and len(part) == len(whole):
        return [p for i, v in enumerate(part) for p in uncovered(v, whole[i], f"{path}[{i}]")]
    return [] if part == whole else [path]


keys = st.sampled_from(
    [
        "name",
        "image",
        "containers",
        "env",
        "volumes",
        "args",
        "nodeSelector",
        "$patch",
        "$retainKeys",
        "$setElementOrder",
    ]
    + [f"{p}/{f}" for p in ("$setElementOrder", "$deleteFromPrimitiveList") for f in ("containers", "args", "bogus")]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["delete", "replace", "merge", "name", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=15,
)
objects = st.dictionaries(keys, values, max_size=4)


@given(objects, objects)
def test_any_patch_gives_a_document_or_a_patch_error(document: dict[str, Any], patch: dict[str, Any]) -> None:
    before = copy.deepcopy((document, patch))
    try:
        strategic.apply(document, patch, TYPES["io.k8s.api.core.v1.PodSpec"])
    except PatchError as error:
        assert error.code in (400, 422, 500)
    assert (document, patch) == before
