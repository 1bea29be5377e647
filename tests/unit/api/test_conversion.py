"""The same object in another version, there and back."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api import conversion, defaults, registry


def kind(api_version: str, name: str) -> registry.Kind:
    return registry.builtin().kind(api_version, name)


def converted(source: registry.Kind, target: registry.Kind, document: dict[str, Any]) -> Any:
    obj = source.decode(msgspec.json.encode(document))
    defaults.apply(source, obj)
    return conversion.convert(obj, source, target)


def test_cpu_utilisation_is_a_metric_in_version_2() -> None:
    old, new = kind("autoscaling/v1", "HorizontalPodAutoscaler"), kind("autoscaling/v2", "HorizontalPodAutoscaler")
    spec = {"maxReplicas": 3, "targetCPUUtilizationPercentage": 60, "scaleTargetRef": {"kind": "D", "name": "d"}}
    there = converted(old, new, {"metadata": {"name": "a"}, "spec": spec})
    assert there.spec.metrics[0].resource.target.averageUtilization == 60
    back = conversion.convert(there, new, old)
    assert back.spec.targetCPUUtilizationPercentage == 60


def test_other_metrics_survive_version_1() -> None:
    old, new = kind("autoscaling/v1", "HorizontalPodAutoscaler"), kind("autoscaling/v2", "HorizontalPodAutoscaler")
    metric = {
        "type": "Pods",
        "pods": {"metric": {"name": "q"}, "target": {"type": "AverageValue", "averageValue": "5"}},
    }
    spec = {"maxReplicas": 3, "metrics": [metric], "behavior": {"scaleUp": {"stabilizationWindowSeconds": 5}}}
    there = converted(new, old, {"metadata": {"name": "a"}, "spec": spec})
    assert "autoscaling.alpha.kubernetes.io/metrics" in there.metadata.annotations
    back = conversion.convert(there, old, new)
    assert back.metadata.annotations is None
    assert msgspec.to_builtins(back.spec.metrics) == [metric]
    assert back.spec.behavior.scaleUp.stabilizationWindowSeconds == 5


def test_events_change_their_names() -> None:
    old, new = kind("v1", "Event"), kind("events.k8s.io/v1", "Event")
    document = {"metadata": {"name": "e"}, "involvedObject": {"name": "p"}, "message": "m", "count": 2}
    there = converted(old, new, document)
    assert (there.regarding.name, there.note, there.deprecatedCount) == ("p", "m", 2)
    back = conversion.convert(there, new, old)
    assert (back.involvedObject.name, back.message, back.count) == ("p", "m", 2)


def test_device_requests_are_grouped_after_v1beta1() -> None:
    old, new = kind("resource.k8s.io/v1beta1", "ResourceClaim"), kind("resource.k8s.io/v1", "ResourceClaim")
    request = {"name": "r", "deviceClassName": "gpu", "count": 2}
    there = converted(old, new, {"metadata": {"name": "c"}, "spec": {"devices": {"requests": [request]}}})
    assert there.spec.devices.requests[0].exactly.deviceClassName == "gpu"
    back = conversion.convert(there, new, old)
    assert (back.spec.devices.requests[0].deviceClassName, back.spec.devices.requests[0].count) == ("gpu", 2)
