"""Autoscalers in version 1, which knows CPU utilisation only, and in version 2.

Version 1 holds the rest in annotations, as JSON: other metrics, their current values, conditions and behaviour.
"""

from __future__ import annotations

from typing import Any

import msgspec

PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS, CURRENT, CONDITIONS, BEHAVIOR = (
    f"{PREFIX}{name}" for name in ("metrics", "current-metrics", "conditions", "behavior")
)
V1, V2 = "autoscaling/v1", "autoscaling/v2"


def to_v2(plain: dict[str, Any]) -> None:
    annotations = plain.get("metadata", {}).get("annotations") or {}
    spec, status = plain.setdefault("spec", {}), plain.setdefault("status", {})
    metrics = [alpha_to_v2(m) for m in _taken(annotations, METRICS) or ()]
    percent = spec.pop("targetCPUUtilizationPercentage", None)
    if percent is not None:
        metrics.insert(0, cpu_metric("target", "averageUtilization", percent, {"type": "Utilization"}))
    if metrics:
        spec["metrics"] = metrics
    behavior = _taken(annotations, BEHAVIOR)
    if behavior is not None:
        spec["behavior"] = behavior
    current = list(_taken(annotations, CURRENT) or ())
    percent = status.pop("currentCPUUtilizationPercentage", None)
    if percent is not None:
        current.insert(0, cpu_metric("current", "averageUtilization", percent, {}))
    if current:
        status["currentMetrics"] = current
    conditions = _taken(annotations, CONDITIONS)
    if conditions is not None:
        status["conditions"] = conditions
    if not annotations:
        plain.get("metadata", {}).pop("annotations", None)


def to_v1(plain: dict[str, Any]) -> None:
    spec, status = plain.setdefault("spec", {}), plain.setdefault("status", {})
    annotations = dict(plain.get("metadata", {}).get("annotations") or {})
    others = []
    for metric in spec.pop("metrics", None) or ():
        percent = cpu_percent(metric, "target")
        if percent is not None and "targetCPUUtilizationPercentage" not in spec:
            spec["targetCPUUtilizationPercentage"] = percent
        else:
            others.append(v2_to_alpha(metric))
    current = []
    for metric in status.pop("currentMetrics", None) or ():
        percent = cpu_percent(metric, "current")
        if percent is not None and "currentCPUUtilizationPercentage" not in status:
            status["currentCPUUtilizationPercentage"] = percent
        else:
            current.append(metric)
    status.setdefault("currentReplicas", 0)
    kept = {
        METRICS: others,
        CURRENT: current,
        CONDITIONS: status.pop("conditions", None),
        BEHAVIOR: spec.pop("behavior", None),
    }
    annotations.update({key: msgspec.json.encode(value).decode() for key, value in kept.items() if value})
    if annotations:
        plain["metadata"]["annotations"] = annotations


def _taken(annotations: dict[str, str], key: str) -> Any:
    """What an annotation holds, removed from it; None when it is absent or not JSON."""
    text = annotations.pop(key, None)
    try:
        return msgspec.json.decode(text) if text is not None else None
    except msgspec.DecodeError:
        return None


def cpu_metric(side: str, field: str, percent: int, more: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Resource", "resource": {"name": "cpu", side: {**more, field: percent}}}


def cpu_percent(metric: dict[str, Any], side: str) -> int | None:
    """The CPU utilisation that a metric of version 2 is about, None when it is about something else."""
    resource = metric.get("resource") or {}
    if metric.get("type") != "Resource" or resource.get("name") != "cpu":
        return None
    percent: int | None = (resource.get(side) or {}).get("averageUtilization")
    return percent


ALPHA_TARGETS = (("targetValue", "value"), ("targetAverageValue", "averageValue"), ("averageValue", "averageValue"))


def v2_to_alpha(metric: dict[str, Any]) -> dict[str, Any]:
    """A metric as version 1's annotation writes it: the target's fields beside the metric's name."""
    kind = metric.get("type", "")
    field = kind[:1].lower() + kind[1:]
    source = dict(metric.get(field) or {})
    target, identifier = source.pop("target", {}), source.pop("metric", {})
    if identifier:
        source["metricName"] = identifier.get("name", "")
        if identifier.get("selector"):
            source["metricSelector" if kind == "External" else "selector"] = identifier["selector"]
    if "averageUtilization" in target:
        source["targetAverageUtilization"] = target["averageUtilization"]
    if "value" in target:
        source["targetValue"] = target["value"]
    if "averageValue" in target:
        source["averageValue" if kind == "Object" else "targetAverageValue"] = target["averageValue"]
    if "describedObject" in source:
        source["target"] = source.pop("describedObject")
    return {"type": kind, field: source}


def alpha_to_v2(metric: dict[str, Any]) -> dict[str, Any]:
    kind = metric.get("type", "")
    field = kind[:1].lower() + kind[1:]
    source = dict(metric.get(field) or {})
    made: dict[str, Any] = {}
    if "target" in source:
        made["describedObject"] = source.pop("target")
    if "metricName" in source:
        made["metric"] = {"name": source.pop("metricName")}
        selector = source.pop("metricSelector", None) or source.pop("selector", None)
        if selector:
            made["metric"]["selector"] = selector
    target: dict[str, Any] = {}
    if "targetAverageUtilization" in source:
        target = {"type": "Utilization", "averageUtilization": source.pop("targetAverageUtilization")}
    for old, new in ALPHA_TARGETS:
        if old in source:
            target.setdefault("type", "Value" if new == "value" else "AverageValue")
            target[new] = source.pop(old)
    return {"type": kind, field: {**source, **made, "target": target}}


WAYS = {
    ("HorizontalPodAutoscaler", V1, V2): to_v2,
    ("HorizontalPodAutoscaler", V2, V1): to_v1,
}
