"""Rules of the autoscaling group, for version 2, in which autoscalers are judged.

Source: API reference v1.36; KEP-853.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sampan.api.errors import FieldError
from sampan.api.names import label, path_segment
from sampan.api.quantity import parse
from sampan.api.validation.numbers import not_negative
from sampan.api.validation.problems import each_invalid, forbidden, invalid, not_supported, required
from sampan.api.validation.resources import container_resource_name
from sampan.api.validation.rule import Rule

GROUP = "autoscaling"
Errors = list[FieldError]

SOURCES = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}
TARGETS = ("Utilization", "Value", "AverageValue")
POLICIES = ("Percent", "Pods")
SELECT = ("Disabled", "Max", "Min")
LONGEST_WINDOW = 3600
LONGEST_PERIOD = 1800


@dataclass(frozen=True, kw_only=True)
class Tolerated:
    """What is let pass: the least `minReplicas`, the target's apiVersion, those of described objects."""

    least: int = 1
    target_version: bool = False
    object_versions: bool = False


def create(obj: Any, errors: Errors) -> None:
    judge(obj.spec, Tolerated(), errors)


def update(new: Any, old: Any, errors: Errors) -> None:
    """What the old object had already is let pass."""
    before, after = old.spec.scaleTargetRef, new.spec.scaleTargetRef
    known = [metric.object.describedObject for metric in old.spec.metrics or () if metric.object is not None]
    tolerated = Tolerated(
        least=0 if old.spec.minReplicas == 0 else 1,
        target_version=(before.apiVersion, before.kind) == (after.apiVersion, after.kind),
        object_versions=any(version_problem(one.apiVersion or "", group_needed=False) for one in known),
    )
    judge(new.spec, tolerated, errors)


def judge(spec: Any, tolerated: Tolerated, errors: Errors) -> None:
    if spec.minReplicas is not None and spec.minReplicas < tolerated.least:
        text = f"must be greater than or equal to {tolerated.least}"
        errors.append(invalid("spec.minReplicas", spec.minReplicas, text))
    most = spec.maxReplicas or 0
    if most == 0:
        errors.append(required("spec.maxReplicas", "must be set and greater than 0"))
    elif most < 1:
        errors.append(invalid("spec.maxReplicas", most, "must be greater than or equal to 1"))
    if spec.minReplicas is not None and most < spec.minReplicas:
        errors.append(invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`"))
    scaled = spec.scaleTargetRef
    target_reference(scaled, errors, "spec.scaleTargetRef")
    if not tolerated.target_version:
        group_needed = scaled.kind != "ReplicationController"
        version(scaled.apiVersion, errors, "spec.scaleTargetRef.apiVersion", group_needed=group_needed)
    metrics(spec.metrics or (), spec.minReplicas, tolerated, errors)
    if spec.behavior is not None:
        for field in ("scaleUp", "scaleDown"):
            if getattr(spec.behavior, field) is not None:
                rules(getattr(spec.behavior, field), errors, f"spec.behavior.{field}")


def update_status(new: Any, old: Any, errors: Errors) -> None:
    for field in ("currentReplicas", "desiredReplicas"):
        not_negative(getattr(new.status, field), errors, f"status.{field}")


def target_reference(reference: Any, errors: Errors, path: str) -> None:
    for field in ("kind", "name"):
        value = getattr(reference, field) or ""
        if not value:
            errors.append(required(f"{path}.{field}"))
        else:
            errors.extend(each_invalid(f"{path}.{field}", value, path_segment(value)))


def version(text: str | None, errors: Errors, path: str, *, group_needed: bool) -> None:
    if problem := version_problem(text or "", group_needed=group_needed):
        errors.append(invalid(path, text or "", problem))


def version_problem(text: str, *, group_needed: bool) -> str:
    """What is wrong with an apiVersion; empty when nothing is. The core group, which has no name, may not do."""
    if text.count("/") > 1:
        return f"unexpected GroupVersion string: {text}"
    group, slash, _ = text.partition("/")
    return "apiVersion must specify API group" if group_needed and not (slash and group) else ""


def metrics(given: Any, least: int | None, tolerated: Tolerated, errors: Errors) -> None:
    outside = False
    for index, metric in enumerate(given):
        path = f"spec.metrics[{index}]"
        metric_source(metric, tolerated, errors, path)
        outside = outside or metric.type in ("Object", "External")
    if least == 0 and not outside:
        text = "must specify at least one Object or External metric to support scaling to zero replicas"
        errors.append(forbidden("spec.metrics", text))


def metric_source(metric: Any, tolerated: Tolerated, errors: Errors, path: str) -> None:
    """Of several sources the first is judged, and all but the one of that type are refused."""
    kind = metric.type or ""
    if not kind:
        errors.append(required(f"{path}.type", "must specify a metric source type"))
    if kind not in SOURCES:
        errors.append(not_supported(f"{path}.type", kind, SOURCES))
    given = [field for field in JUDGES if getattr(metric, field) is not None]
    if given:
        field = given[0]
        JUDGES[field](getattr(metric, field), errors, f"{path}.{field}")
        if field == "object" and not tolerated.object_versions:
            named = metric.object.describedObject.apiVersion
            version(named, errors, f"{path}.object.describedObject.apiVersion", group_needed=False)
    wanted = SOURCES.get(kind)
    if wanted is None:
        errors.append(not_supported(f"{path}.type", kind, SOURCES))
    elif wanted not in given:
        errors.append(required(f"{path}.{wanted}", "must populate information for the given metric source"))
    if len(given) > 1:
        errors.extend(
            forbidden(f"{path}.{extra}", "must populate the given metric source only")
            for extra in given
            if extra != wanted
        )


def resource(source: Any, errors: Errors, path: str) -> None:
    if not source.name:
        errors.append(required(f"{path}.name", "must specify a resource name"))
    resource_target(source, errors, path)


def resource_target(source: Any, errors: Errors, path: str) -> None:
    target(source.target, errors, f"{path}.target")
    utilization, average = source.target.averageUtilization, source.target.averageValue
    if utilization is None and average is None:
        text = "must set either a target raw value or a target utilization"
        errors.append(required(f"{path}.target.averageUtilization", text))
    if utilization is not None and average is not None:
        text = "may not set both a target raw value and a target utilization"
        errors.append(forbidden(f"{path}.target.averageValue", text))


def container_resource(source: Any, errors: Errors, path: str) -> None:
    if not source.name:
        errors.append(required(f"{path}.name", "must specify a resource name"))
    else:
        container_resource_name(source.name, errors, f"{path}.name")
    if not source.container:
        errors.append(required(f"{path}.container", "must specify a container"))
    else:
        errors.extend(each_invalid(f"{path}.container", source.container, label(source.container)))
    resource_target(source, errors, path)


def pods(source: Any, errors: Errors, path: str) -> None:
    identifier(source.metric, errors, f"{path}.metric")
    target(source.target, errors, f"{path}.target")
    if source.target.averageValue is None:
        errors.append(required(f"{path}.target.averageValue", "must specify a positive target averageValue"))


def described(source: Any, errors: Errors, path: str) -> None:
    target_reference(source.describedObject, errors, f"{path}.describedObject")
    identifier(source.metric, errors, f"{path}.metric")
    target(source.target, errors, f"{path}.target")
    if source.target.value is None and source.target.averageValue is None:
        errors.append(required(f"{path}.target.averageValue", "must set either a target value or averageValue"))


def external(source: Any, errors: Errors, path: str) -> None:
    identifier(source.metric, errors, f"{path}.metric")
    target(source.target, errors, f"{path}.target")
    value, average = source.target.value, source.target.averageValue
    if value is None and average is None:
        text = "must set either a target value for metric or a per-pod target"
        errors.append(required(f"{path}.target.averageValue", text))
    if value is not None and average is not None:
        text = "may not set both a target value for metric and a per-pod target"
        errors.append(forbidden(f"{path}.target.value", text))


JUDGES: dict[str, Any] = {
    "object": described,
    "external": external,
    "pods": pods,
    "resource": resource,
    "containerResource": container_resource,
}
"""In the order in which they are looked for."""


def identifier(metric: Any, errors: Errors, path: str) -> None:
    if not metric.name:
        errors.append(required(f"{path}.name", "must specify a metric name"))
    else:
        errors.extend(each_invalid(f"{path}.name", metric.name, path_segment(metric.name)))


def target(given: Any, errors: Errors, path: str) -> None:
    if not given.type:
        errors.append(required(f"{path}.type", "must specify a metric target type"))
    if given.type not in TARGETS:
        text = "must be either Utilization, Value, or AverageValue"
        errors.append(invalid(f"{path}.type", given.type or "", text))
    if given.value is not None and parse(given.value).value <= 0:
        errors.append(invalid(f"{path}.value", given.value, "must be positive"))
    if given.averageValue is not None and parse(given.averageValue).value <= 0:
        errors.append(invalid(f"{path}.averageValue", given.averageValue, "must be positive"))
    if given.averageUtilization is not None and given.averageUtilization < 1:
        errors.append(invalid(f"{path}.averageUtilization", given.averageUtilization, "must be greater than 0"))


def rules(given: Any, errors: Errors, path: str) -> None:
    window = given.stabilizationWindowSeconds
    if window is not None and window < 0:
        errors.append(invalid(f"{path}.stabilizationWindowSeconds", window, "must be greater than or equal to zero"))
    if window is not None and window > LONGEST_WINDOW:
        text = f"must be less than or equal to {LONGEST_WINDOW}"
        errors.append(invalid(f"{path}.stabilizationWindowSeconds", window, text))
    if given.selectPolicy is not None and given.selectPolicy not in SELECT:
        errors.append(not_supported(f"{path}.selectPolicy", given.selectPolicy, SELECT))
    if not given.policies:
        errors.append(required(f"{path}.policies", "must specify at least one Policy"))
    for index, policy in enumerate(given.policies or ()):
        scaling_policy(policy, errors, f"{path}.policies[{index}]")
    if given.tolerance is not None:
        amount = parse(given.tolerance).value
        if amount < 0:
            errors.append(invalid(f"{path}.tolerance", given.tolerance, "must be greater than or equal to 0"))


def scaling_policy(policy: Any, errors: Errors, path: str) -> None:
    if policy.type not in POLICIES:
        errors.append(not_supported(f"{path}.type", policy.type or "", POLICIES))
    if (policy.value or 0) <= 0:
        errors.append(invalid(f"{path}.value", policy.value or 0, "must be greater than zero"))
    period = policy.periodSeconds or 0
    if period <= 0:
        errors.append(invalid(f"{path}.periodSeconds", period, "must be greater than zero"))
    if period > LONGEST_PERIOD:
        errors.append(invalid(f"{path}.periodSeconds", period, f"must be less than or equal to {LONGEST_PERIOD}"))


RULES: dict[Any, Rule] = {
    "HorizontalPodAutoscaler": Rule(create=create, update=update, subresources={"status": update_status}),
}
