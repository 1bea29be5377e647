"""Defaults of the batch group. Source: API reference v1.36."""

from __future__ import annotations

from typing import Any

CONSTANTS: dict[str, dict[str, Any]] = {
    "batch_v1.CronJobSpec": {
        "concurrencyPolicy": "Allow",
        "suspend": False,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 1,
    },
    "batch_v1.PodFailurePolicyOnPodConditionsPattern": {"status": "True"},
}

UNLIMITED = 2**31 - 1
BACKOFF_LIMIT = 6


def job(o: Any) -> None:
    """The defaults of a Job itself; those of a CronJob's template wait until there is a Job."""
    spec = o.spec
    if spec.completions is None and spec.parallelism is None:
        spec.completions = 1
    if spec.parallelism is None:
        spec.parallelism = 1
    if spec.backoffLimit is None:
        spec.backoffLimit = BACKOFF_LIMIT if spec.backoffLimitPerIndex is None else UNLIMITED
    if spec.completionMode is None:
        spec.completionMode = "NonIndexed"
    if spec.suspend is None:
        spec.suspend = False
    if spec.manualSelector is None:
        spec.manualSelector = False
    if spec.podReplacementPolicy is None:
        spec.podReplacementPolicy = "TerminatingOrFailed" if spec.podFailurePolicy is None else "Failed"
    labels_from_template(o)


def labels_from_template(o: Any) -> None:
    """The job shares its template's labels, and so those that its strategy adds later."""
    template = o.spec.template
    labels = template.metadata.labels if template is not None and template.metadata is not None else None
    if labels and not o.metadata.labels:
        o.metadata.labels = labels


HOOKS = {"batch_v1.Job": job}
