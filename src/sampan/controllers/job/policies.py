"""What a failed pod means for its Job, and when enough has succeeded. Pure.

Rules: Job concepts page, sections "Pod failure policy" (KEP-3329), "Backoff limit per index" (KEP-3850) and "Success
policy" (KEP-3998).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sampan.controllers.job import indexes
from sampan.controllers.pods import condition


def action(job: Any, pod: Any) -> tuple[str, str]:
    """What the first matching rule says (Count when none does), and the message for a job that fails by it."""
    policy = job.spec.podFailurePolicy
    for number, rule in enumerate((policy.rules if policy else None) or ()):
        why = _exit_code(rule.onExitCodes, pod) if rule.onExitCodes else _condition(rule.onPodConditions, pod)
        if why:
            message = f"{why} matching {rule.action} rule at index {number}"
            return rule.action, message
    return "Count", ""


def _exit_code(wanted: Any, pod: Any) -> str:
    """A container whose exit code the rule names, in words; empty when there is none. Zero never matches."""
    for status in _container_statuses(pod):
        ended = status.state.terminated if status.state else None
        if ended is None or not ended.exitCode or wanted.containerName not in (None, status.name):
            continue
        if (ended.exitCode in (wanted.values or ())) == (wanted.operator == "In"):
            place = f"{pod.metadata.namespace}/{pod.metadata.name}"
            return f"Container {status.name} for pod {place} failed with exit code {ended.exitCode}"
    return ""


def _container_statuses(pod: Any) -> Iterable[Any]:
    return [*(pod.status.containerStatuses or ()), *(pod.status.initContainerStatuses or ())] if pod.status else []


def _condition(patterns: Iterable[Any] | None, pod: Any) -> str:
    for pattern in patterns or ():
        found = condition(pod, pattern.type)
        if found is not None and found.status == (pattern.status or "True"):
            return f"Pod {pod.metadata.namespace}/{pod.metadata.name} has condition {pattern.type}"
    return ""


def succeeded(job: Any, completed: set[int]) -> str:
    """The message of the success rule that is met, empty when none is."""
    policy = job.spec.successPolicy
    for number, rule in enumerate((policy.rules if policy else None) or ()):
        counted = completed
        if rule.succeededIndexes is not None:
            wanted = indexes.parse(rule.succeededIndexes)
            counted = completed & wanted
            if rule.succeededCount is None and counted != wanted:
                continue
        if rule.succeededCount is None or len(counted) >= rule.succeededCount:
            return f"Matched rules at index {number}"
    return ""
