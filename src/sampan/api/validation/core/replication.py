"""Rules for replication controllers, and for what every controller of pods has. Source: API reference v1.36."""

from __future__ import annotations

from typing import Any

from sampan.api.validation.core.context import Errors
from sampan.api.validation.core.pods import template
from sampan.api.validation.numbers import not_negative
from sampan.api.validation.problems import forbidden, invalid, not_supported, required

MISMATCH = "`selector` does not match template `labels`"
STATUS_COUNTS = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")


def create(obj: Any, errors: Errors) -> None:
    spec = obj.spec
    not_negative(spec.minReadySeconds, errors, "spec.minReadySeconds")
    if not spec.selector:
        errors.append(required("spec.selector"))
    not_negative(spec.replicas, errors, "spec.replicas")
    if spec.template is None:
        errors.append(required("spec.template"))
        return
    if spec.selector:
        have = labels_of(spec.template)
        if any(have.get(k) != v for k, v in spec.selector.items()):
            errors.append(invalid("spec.template.metadata.labels", shown_labels(spec.template), MISMATCH))
    template(spec.template, errors, "spec.template")
    always_restarted(spec.template.spec, errors, "spec.template.spec")
    no_deadline(spec.template.spec, "ReplicationController", errors)


def update(new: Any, old: Any, errors: Errors) -> None:
    create(new, errors)


def labels_of(pod_template: Any) -> dict[str, str]:
    return (pod_template.metadata.labels if pod_template.metadata is not None else None) or {}


def shown_labels(pod_template: Any) -> Any:
    """The labels as a message shows them: none and empty differ."""
    return pod_template.metadata.labels if pod_template.metadata is not None else None


def always_restarted(spec: Any, errors: Errors, path: str) -> None:
    """Pods that a controller keeps running restart always."""
    if spec.restartPolicy != "Always":
        errors.append(not_supported(f"{path}.restartPolicy", spec.restartPolicy or "", ("Always",)))


def no_deadline(spec: Any, kind: str, errors: Errors) -> None:
    if spec.activeDeadlineSeconds is not None:
        text = f"activeDeadlineSeconds in {kind} is not Supported"
        errors.append(forbidden("spec.template.spec.activeDeadlineSeconds", text))


def update_status(new: Any, old: Any, errors: Errors) -> None:
    replica_counts(new.status, errors)


def replica_counts(status: Any, errors: Errors) -> None:
    """Counts of parts are not larger than the whole."""
    total = status.replicas or 0
    not_negative(status.replicas, errors, "status.replicas")
    for name in STATUS_COUNTS:
        value = getattr(status, name) or 0
        not_negative(value, errors, f"status.{name}")
        if value > total:
            errors.append(invalid(f"status.{name}", value, "cannot be greater than status.replicas"))
    ready = status.readyReplicas or 0
    available = status.availableReplicas or 0
    if available > ready:
        errors.append(invalid("status.availableReplicas", available, "cannot be greater than readyReplicas"))
    not_negative(status.observedGeneration, errors, "status.observedGeneration")
