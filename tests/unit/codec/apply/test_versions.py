"""Owners that speak different versions of one kind."""

from __future__ import annotations

from typing import Any

from sampan.api import conversion, decoding, defaults, registry
from sampan.codec import apply
from sampan.codec.apply.versions import View, empty, kind_at

BUILTIN = registry.builtin()
V1, V2 = (
    BUILTIN.kind("autoscaling/v1", "HorizontalPodAutoscaler"),
    BUILTIN.kind("autoscaling/v2", "HorizontalPodAutoscaler"),
)
NOW = 1_000_000_000.0


def autoscaler(kind: Any, **spec: Any) -> Any:
    target = {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}
    value = {"metadata": {"name": "x"}, "spec": {"scaleTargetRef": target, "maxReplicas": 3} | spec}
    obj, unknown = decoding.convert(kind.struct, value)
    assert unknown == []
    defaults.apply(kind, obj)
    return obj


def owners(obj: Any) -> dict[str, Any]:
    return {f"{e.manager} {e.apiVersion}": e.fieldsV1.get("f:spec", {}) for e in obj.metadata.managedFields}


def test_what_one_changes_in_its_version_another_loses_in_its_own() -> None:
    first = autoscaler(V1, targetCPUUtilizationPercentage=50)
    apply.record(V1, None, first, manager="old", now=NOW)
    assert {"f:maxReplicas", "f:targetCPUUtilizationPercentage"} <= set(owners(first)["old autoscaling/v1"])
    live = conversion.convert(first, V1, V2)
    live.metadata.managedFields = first.metadata.managedFields
    changed = V2.decode(V2.encode(live))
    changed.spec.maxReplicas = 7
    apply.record(V2, live, changed, manager="new", now=NOW + 60)
    found = owners(changed)
    assert found["new autoscaling/v2"] == {"f:maxReplicas": {}}
    assert "f:maxReplicas" not in found["old autoscaling/v1"]
    assert "f:targetCPUUtilizationPercentage" in found["old autoscaling/v1"]


def test_an_applier_may_change_its_version() -> None:
    def config(kind: Any, **spec: Any) -> dict[str, Any]:
        target = {"kind": "Deployment", "name": "d"}
        head = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "x"}}
        return head | {"spec": {"scaleTargetRef": target, "maxReplicas": 3} | spec}

    first = apply.apply(V1, None, config(V1, minReplicas=2), manager="a", now=NOW)
    live = conversion.convert(first, V1, V2)
    live.metadata.managedFields = first.metadata.managedFields
    second = apply.apply(V2, live, config(V2), manager="a", now=NOW + 60)
    assert owners(second) == {
        "a autoscaling/v2": {"f:maxReplicas": {}, "f:scaleTargetRef": {"f:kind": {}, "f:name": {}}}
    }
    assert second.spec.minReplicas == 1


def test_a_version_no_longer_served_owns_nothing() -> None:
    live = autoscaler(V2)
    apply.record(V2, None, live, manager="gone", now=NOW)
    live.metadata.managedFields[0].apiVersion = "autoscaling/v2beta9"
    changed = V2.decode(V2.encode(live))
    changed.spec.maxReplicas = 7
    apply.record(V2, live, changed, manager="new", now=NOW + 60)
    assert owners(changed) == {"new autoscaling/v2": {"f:maxReplicas": {}}}


def test_views() -> None:
    assert kind_at(V1, "autoscaling/v2") is V2
    assert kind_at(V1, "autoscaling/v3") is None
    assert View(V1, None).at("autoscaling/v2") == empty(V2)
    assert View(V1, autoscaler(V1)).at("autoscaling/v3") is None
