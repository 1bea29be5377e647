"""Nesting too deep is refused by whatever meets it, and never a crash."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sampan.api import defaults, registry, schema
from sampan.codec import apply, jsonpatch, mergepatch, strategic, yaml
from sampan.codec import json as codec_json
from sampan.codec.errors import CodecError

CRD = registry.builtin().kind("apiextensions.k8s.io/v1", "CustomResourceDefinition")


def nested(depth: int, key: str = "a") -> Any:
    value: Any = {}
    for _ in range(depth):
        value = {key: value}
    return value


def definition(depth: int) -> dict[str, Any]:
    """A resource definition whose schema is nested."""
    version = {"name": "v1", "schema": {"openAPIV3Schema": nested(depth, "not")}}
    return {"apiVersion": CRD.api_version, "kind": CRD.kind, "metadata": {"name": "x"}, "spec": {"versions": [version]}}


@pytest.mark.parametrize("depth", [50, 150, 300, 450, 600, 800])
def test_deep_values(depth: int) -> None:
    steps = [{"op": "add", "path": "/x", "value": nested(depth)}, {"op": "test", "path": "/x", "value": nested(depth)}]
    pod = schema.load().types["io.k8s.api.core.v1.Pod"]
    actions = [
        lambda: jsonpatch.apply({}, steps),
        lambda: mergepatch.apply(nested(depth), nested(depth)),
        lambda: strategic.apply({"metadata": {"labels": nested(depth)}}, {"metadata": {"labels": nested(depth)}}, pod),
        lambda: apply.apply(CRD, None, definition(depth), manager="a", now=0.0),
        lambda: yaml.decode(json.dumps(nested(depth))),
        lambda: codec_json.duplicates(json.dumps(nested(depth))),
    ]
    for action in actions:
        try:
            action()
        except CodecError as error:
            assert error.code in (400, 500)
            assert depth > 50


@pytest.mark.parametrize("depth", [50, 800])
def test_messages_about_deep_values(depth: int) -> None:
    pod = schema.load().types["io.k8s.api.core.v1.Pod"]
    with pytest.raises(CodecError):
        strategic.apply({"spec": {}}, {"spec": {"$patch": nested(depth)}}, pod)


@pytest.mark.parametrize("depth", [50, 200, 320])
def test_deep_objects_are_recorded_or_left_alone(depth: int) -> None:
    obj = CRD.decode(json.dumps(definition(depth)))
    defaults.apply(CRD, obj)
    apply.record(CRD, None, obj, manager="a", now=0.0)
    assert depth > 50 or obj.metadata.managedFields
