"""Rules of the policy group. Source: API reference v1.36, PodDisruptionBudget."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import FieldError
from sampan.api.names import path_segment
from sampan.api.validation.conditions import conditions
from sampan.api.validation.numbers import not_more_than_100_percent, not_negative, not_negative_or_percent
from sampan.api.validation.problems import invalid, not_supported
from sampan.api.validation.rule import Rule
from sampan.api.validation.selectors import label_selector

GROUP = "policy"
Errors = list[FieldError]

UNHEALTHY = ("AlwaysAllow", "IfHealthyBudget")
COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")


def create(obj: Any, errors: Errors) -> None:
    spec = obj.spec
    if spec.minAvailable is not None and spec.maxUnavailable is not None:
        errors.append(invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set"))
    for field in ("minAvailable", "maxUnavailable"):
        value = getattr(spec, field)
        if value is not None:
            not_negative_or_percent(value, errors, f"spec.{field}")
            not_more_than_100_percent(value, errors, f"spec.{field}")
    label_selector(spec.selector, errors, "spec.selector")
    if spec.unhealthyPodEvictionPolicy is not None and spec.unhealthyPodEvictionPolicy not in UNHEALTHY:
        value = spec.unhealthyPodEvictionPolicy
        errors.append(not_supported("spec.unhealthyPodEvictionPolicy", value, UNHEALTHY))


def update(new: Any, old: Any, errors: Errors) -> None:
    create(new, errors)


def update_status(new: Any, old: Any, errors: Errors) -> None:
    conditions(new.status.conditions, errors, "status.conditions")
    for name in COUNTS:
        not_negative(getattr(new.status, name), errors, f"status.{name}")


RULES: dict[str, Rule] = {
    "PodDisruptionBudget": Rule(name=path_segment, create=create, update=update, subresources={"status": update_status})
}
