"""Rules of the scheduling.k8s.io group. Source: API reference v1.36."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import FieldError
from sampan.api.validation import workloads
from sampan.api.validation.metadata import immutable
from sampan.api.validation.problems import forbidden, not_supported
from sampan.api.validation.rule import Rule

GROUP = "scheduling.k8s.io"
Errors = list[FieldError]

HIGHEST = 1_000_000_000
SYSTEM = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}
PREEMPTION = ("PreemptLowerPriority", "Never")


def create_priority(obj: Any, errors: Errors) -> None:
    name, value = obj.metadata.name or "", obj.value or 0
    if name.startswith("system-"):
        if name not in SYSTEM:
            text = "priority class names with 'system-' prefix are reserved for system use only. error: "
            errors.append(forbidden("metadata.name", f"{text}{name} is not a known system priority class"))
        elif value != SYSTEM[name]:
            text = "priority class names with 'system-' prefix are reserved for system use only. error: "
            errors.append(forbidden("metadata.name", f"{text}value of {name} PriorityClass must be {SYSTEM[name]}"))
        elif obj.globalDefault:
            text = "priority class names with 'system-' prefix are reserved for system use only. error: "
            errors.append(forbidden("metadata.name", f"{text}globalDefault of {name} PriorityClass must be false"))
    elif value > HIGHEST:
        errors.append(forbidden("value", f"maximum allowed value of a user defined priority is {HIGHEST}"))
    if obj.preemptionPolicy is not None and obj.preemptionPolicy not in PREEMPTION:
        errors.append(not_supported("preemptionPolicy", obj.preemptionPolicy, PREEMPTION))


def update_priority(new: Any, old: Any, errors: Errors) -> None:
    if (new.value or 0) != (old.value or 0):
        errors.append(forbidden("value", "may not be changed in an update."))
    immutable(new.preemptionPolicy, old.preemptionPolicy, errors, "preemptionPolicy")


RULES: dict[str, Rule] = {
    "PriorityClass": Rule(create=create_priority, update=update_priority),
    **workloads.RULES,
}
