"""Rules of the batch group. Source: API reference v1.36; KEP-3329 (failure policy), KEP-3998 (success policy)."""

from __future__ import annotations

import re
import zoneinfo
from typing import Any

import msgspec

from sampan.api.cron import CronError
from sampan.api.cron import parse as parse_schedule
from sampan.api.errors import FieldError
from sampan.api.names import label, qualified
from sampan.api.validation.apps import mismatch
from sampan.api.validation.core.pods import template
from sampan.api.validation.metadata import immutable
from sampan.api.validation.networking import domain_prefixed
from sampan.api.validation.numbers import not_negative
from sampan.api.validation.problems import (
    NOTHING,
    duplicate,
    each_invalid,
    invalid,
    not_supported,
    quote,
    required,
    too_long,
    too_many,
)
from sampan.api.validation.rule import Rule
from sampan.api.validation.selectors import label_selector

GROUP = "batch"
Errors = list[FieldError]

MODES = ("NonIndexed", "Indexed")
ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
OPERATORS = ("In", "NotIn")
STATUSES = ("False", "True", "Unknown")
REPLACEMENTS = ("Failed", "TerminatingOrFailed")
CONCURRENCY = ("Allow", "Forbid", "Replace")
RESTARTS = ("OnFailure", "Never")
LARGEST_PARALLELISM = 100_000
LARGEST_RULES = 20
LARGEST_CODES = 255
CRON_NAME_LENGTH = 52
ZONE = re.compile(r"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,3}")
MANAGER_LENGTH = 63
COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
)
FIXED = ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")
SCHEDULING = ("nodeSelector", "tolerations", "affinity", "schedulingGates")


def create_job(obj: Any, errors: Errors) -> None:
    generated_selector(obj, errors)
    selected_job(obj.spec, errors)
    spec = obj.spec
    if spec.completionMode == "Indexed" and spec.completions is not None and spec.completions > 0:
        hostname = f"{obj.metadata.name or ''}-{spec.completions - 1}"
        if label(hostname):
            text = f"will not able to create pod with invalid DNS label: {hostname}"
            errors.append(invalid("metadata.name", obj.metadata.name or "", text))


def generated_selector(obj: Any, errors: Errors) -> None:
    """Unless told otherwise a Job selects by its own uid, and nothing else."""
    spec = obj.spec
    if spec.manualSelector or spec.selector is None:
        return
    prefix = "batch.kubernetes.io/"
    expected = {f"{prefix}controller-uid": obj.metadata.uid or "", f"{prefix}job-name": obj.metadata.name or ""}
    have = (spec.template.metadata.labels if spec.template.metadata is not None else None) or {}
    for key, value in expected.items():
        if key not in have:
            errors.append(required(f"spec.template.metadata.labels[{key}]", f"must be '{value}'"))
        elif have[key] != value:
            text = f"must be '{value}'"
            errors.append(invalid(f"spec.template.metadata.labels[{key}]", have, text))
    if (spec.selector.matchLabels or {}) != {f"{prefix}controller-uid": obj.metadata.uid or ""}:
        errors.append(invalid("spec.selector", spec.selector, "`selector` not auto-generated"))


def selected_job(spec: Any, errors: Errors) -> None:
    job_spec(spec, errors, "spec")
    if spec.selector is None:
        errors.append(required("spec.selector"))
    else:
        label_selector(spec.selector, errors, "spec.selector")
    mismatch(spec.selector, spec.template, errors)


def job_spec(spec: Any, errors: Errors, path: str) -> None:
    for name in COUNTS:
        value = getattr(spec, name)
        if value is not None:
            not_negative(value, errors, f"{path}.{name}")
    if spec.maxFailedIndexes is not None:
        not_negative(spec.maxFailedIndexes, errors, f"{path}.maxFailedIndexes")
        if spec.backoffLimitPerIndex is None:
            errors.append(required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified"))
    completion_mode(spec, errors, path)
    if spec.podFailurePolicy is not None:
        failure_policy(spec, errors, f"{path}.podFailurePolicy")
    if spec.successPolicy is not None:
        if spec.completionMode == "Indexed":
            success_policy(spec, errors, f"{path}.successPolicy")
        else:
            errors.append(invalid(f"{path}.successPolicy", spec.successPolicy, "requires indexed completion mode"))
    if spec.managedBy is not None:
        domain_prefixed(spec.managedBy, errors, f"{path}.managedBy")
        if len(spec.managedBy) > MANAGER_LENGTH:
            errors.append(too_long(f"{path}.managedBy", MANAGER_LENGTH))
    replacement = spec.podReplacementPolicy
    allowed = REPLACEMENTS if spec.podFailurePolicy is None else ("Failed",)
    if replacement is not None and replacement not in allowed:
        errors.append(not_supported(f"{path}.podReplacementPolicy", replacement, allowed))
    template(spec.template, errors, f"{path}.template")
    restarts(spec, errors, f"{path}.template.spec.restartPolicy")


def restarts(spec: Any, errors: Errors, path: str) -> None:
    """A job's pods end; they are not restarted for ever."""
    policy = spec.template.spec.restartPolicy
    if policy in (None, "", "Always"):
        errors.append(required(path, 'valid values: "OnFailure", "Never"'))
    elif policy not in RESTARTS:
        errors.append(not_supported(path, policy, RESTARTS))
    elif spec.podFailurePolicy is not None and policy != "Never":
        errors.append(invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified'))


def completion_mode(spec: Any, errors: Errors, path: str) -> None:
    mode = spec.completionMode
    if mode is not None and mode not in MODES:
        errors.append(not_supported(f"{path}.completionMode", mode, MODES))
    if mode == "Indexed":
        indexed(spec, errors, path)
    elif mode in (None, "NonIndexed"):
        for name in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if getattr(spec, name) is not None:
                errors.append(invalid(f"{path}.{name}", getattr(spec, name), "requires indexed completion mode"))


def indexed(spec: Any, errors: Errors, path: str) -> None:
    completions, failed = spec.completions, spec.maxFailedIndexes
    if completions is None:
        errors.append(required(f"{path}.completions", "when completion mode is Indexed"))
    if spec.parallelism is not None and spec.parallelism > LARGEST_PARALLELISM:
        text = f"must be less than or equal to {LARGEST_PARALLELISM} when completion mode is Indexed"
        errors.append(invalid(f"{path}.parallelism", spec.parallelism, text))
    if completions is not None and failed is not None and failed > completions:
        errors.append(invalid(f"{path}.maxFailedIndexes", failed, "must be less than or equal to completions"))
    if spec.backoffLimitPerIndex is not None and (completions or 0) > LARGEST_PARALLELISM:
        if failed is None:
            text = f"must be specified when completions is above {LARGEST_PARALLELISM}"
            errors.append(required(f"{path}.maxFailedIndexes", text))
        if (spec.parallelism or 0) > 10_000:
            text = "must be less than or equal to 10000 when completions are above "
            text += f"{LARGEST_PARALLELISM} and used with backoff limit per index"
            errors.append(invalid(f"{path}.parallelism", spec.parallelism, text))


def listed(values: tuple[str, ...]) -> str:
    """Values as Go prints a list of strings with %q."""
    return f"[{' '.join(quote(v) for v in values)}]"


def failure_policy(spec: Any, errors: Errors, path: str) -> None:
    rules = spec.podFailurePolicy.rules or ()
    if len(rules) > LARGEST_RULES:
        errors.append(too_many(f"{path}.rules", len(rules), LARGEST_RULES))
    pod = spec.template.spec
    names = {c.name for c in (*(pod.containers or ()), *(pod.initContainers or ()))}
    for index, rule in enumerate(rules):
        failure_rule(rule, spec, names, errors, f"{path}.rules[{index}]")


def failure_rule(rule: Any, spec: Any, names: set[Any], errors: Errors, path: str) -> None:
    if not rule.action:
        errors.append(required(f"{path}.action", f"valid values: {listed(ACTIONS)}"))
    elif rule.action not in ACTIONS:
        errors.append(not_supported(f"{path}.action", rule.action, ACTIONS))
    elif rule.action == "FailIndex" and spec.backoffLimitPerIndex is None:
        errors.append(invalid(f"{path}.action", rule.action, "requires the backoffLimitPerIndex to be set"))
    if rule.onExitCodes is not None:
        exit_codes(rule.onExitCodes, names, errors, f"{path}.onExitCodes")
    for index, pattern in enumerate(rule.onPodConditions or ()):
        condition_pattern(pattern, errors, f"{path}.onPodConditions[{index}]")
    if rule.onExitCodes is not None and rule.onPodConditions:
        errors.append(invalid(path, NOTHING, "specifying both OnExitCodes and OnPodConditions is not supported"))
    if rule.onExitCodes is None and not rule.onPodConditions:
        errors.append(invalid(path, NOTHING, "specifying one of OnExitCodes and OnPodConditions is required"))


def exit_codes(codes: Any, names: set[Any], errors: Errors, path: str) -> None:
    if not codes.operator:
        errors.append(required(f"{path}.operator", f"valid values: {listed(OPERATORS)}"))
    elif codes.operator not in OPERATORS:
        errors.append(not_supported(f"{path}.operator", codes.operator, OPERATORS))
    if codes.containerName is not None and codes.containerName not in names:
        text = "must be one of the container or initContainer names in the pod template"
        errors.append(invalid(f"{path}.containerName", codes.containerName, text))
    values = codes.values
    if not values:
        errors.append(invalid(f"{path}.values", values, "at least one value is required"))
    elif len(values) > LARGEST_CODES:
        errors.append(too_many(f"{path}.values", len(values), LARGEST_CODES))
    seen: set[int] = set()
    for index, value in enumerate(values or ()):
        if codes.operator == "In" and value == 0:
            errors.append(invalid(f"{path}.values[{index}]", value, "must not be 0 for the In operator"))
        if value in seen:
            errors.append(duplicate(f"{path}.values[{index}]", value))
        seen.add(value)
    if list(values or ()) != sorted(values or ()):
        errors.append(invalid(f"{path}.values", values, "must be ordered"))


def condition_pattern(pattern: Any, errors: Errors, path: str) -> None:
    errors.extend(each_invalid(f"{path}.type", pattern.type or "", qualified(pattern.type or "")))
    if not pattern.status:
        errors.append(required(f"{path}.status", f"valid values: {listed(STATUSES)}"))
    elif pattern.status not in STATUSES:
        errors.append(not_supported(f"{path}.status", pattern.status, STATUSES))


def success_policy(spec: Any, errors: Errors, path: str) -> None:
    rules = spec.successPolicy.rules
    if not rules:
        errors.append(
            required(f"{path}.rules", "at least one rules must be specified when the successPolicy is specified")
        )
    elif len(rules) > LARGEST_RULES:
        errors.append(too_many(f"{path}.rules", len(rules), LARGEST_RULES))
    for index, rule in enumerate(rules or ()):
        success_rule(rule, spec.completions, errors, f"{path}.rules[{index}]")


def success_rule(rule: Any, completions: int | None, errors: Errors, path: str) -> None:
    if rule.succeededCount is None and rule.succeededIndexes is None:
        text = "at least one of succeededCount or succeededIndexes must be specified"
        errors.append(required(path, text))
    total = 0
    if rule.succeededIndexes is not None:
        try:
            total = count_indexes(rule.succeededIndexes, completions or 0)
        except ValueError as error:
            text = f"error parsing succeededIndexes: {error}"
            errors.append(invalid(f"{path}.succeededIndexes", rule.succeededIndexes, text))
    count = rule.succeededCount
    if count is None:
        return
    here = f"{path}.succeededCount"
    not_negative(count, errors, here)
    if completions is not None and count > completions:
        text = f"must be less than or equal to {completions} (the number of specified completions)"
        errors.append(invalid(here, count, text))
    if rule.succeededIndexes is not None and count > total:
        text = f"must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
        errors.append(invalid(here, count, text))


def count_indexes(text: str, completions: int) -> int:
    """How many indexes `0-2,5` names; raises ValueError in upstream's words."""
    total, last = 0, -1
    for part in text.split(",") if text else ():
        limits = part.split("-")
        if len(limits) > 2:
            rule = "violates the requirement that an index interval can have at most two parts separated by '-'"
            raise ValueError(f"the fragment {quote(part)} {rule}")
        for position, limit in enumerate(limits):
            number = index_of(limit, completions)
            if number <= last:
                raise ValueError(f"non-increasing order, previous: {last}, current: {number}")
            total += number - last if position else 1
            last = number
    return total


def index_of(text: str, completions: int) -> int:
    if not text.lstrip("+-").isdigit() or not text.isascii():
        raise ValueError(f"cannot convert string to integer for index: {quote(text)}")
    if int(text) >= completions:
        raise ValueError(f"too large index: {quote(text)}")
    return int(text)


def update_job(new: Any, old: Any, errors: Errors) -> None:
    generated_selector(new, errors)
    selected_job(new.spec, errors)
    selected_job(new.spec, errors)
    spec, before = new.spec, old.spec
    changed_completions(spec, before, errors)
    immutable(spec.selector, before.selector, errors, "spec.selector")
    free = not_started(old)
    if template_part(spec.template, before.template, free) != template_part(before.template, before.template, free):
        immutable(spec.template.spec, None, errors, "spec.template.spec")
    for name in FIXED:
        immutable(getattr(spec, name), getattr(before, name), errors, f"spec.{name}")


def changed_completions(spec: Any, before: Any, errors: Errors) -> None:
    """An indexed job may grow or shrink, keeping as many at once as there are to do (KEP-3715)."""
    if spec.completionMode != "Indexed" or spec.completions is None:
        immutable(spec.completions, before.completions, errors, "spec.completions")
    elif spec.completions != before.completions and spec.completions != spec.parallelism:
        text = "can only be modified in tandem with spec.parallelism"
        errors.append(invalid("spec.completions", spec.completions, text))


def not_started(job: Any) -> bool:
    """A suspended job that never ran may still be told where to run."""
    return bool(job.spec.suspend and (job.status is None or job.status.startTime is None))


def template_part(given: Any, old: Any, free: bool) -> Any:
    plain = msgspec.to_builtins(given.spec)
    if free:
        for name in SCHEDULING:
            plain.pop(name, None)
        return plain
    return plain, msgspec.to_builtins(given.metadata)


def update_job_status(new: Any, old: Any, errors: Errors) -> None:
    status = new.status
    if status is None:
        return
    for name in ("active", "succeeded", "failed", "ready", "terminating"):
        not_negative(getattr(status, name), errors, f"status.{name}")


def create_cron_job(obj: Any, errors: Errors) -> None:
    cron_job_spec(obj.spec, errors)
    if len(obj.metadata.name or "") > CRON_NAME_LENGTH:
        text = f"must be no more than {CRON_NAME_LENGTH} characters"
        errors.append(invalid("metadata.name", obj.metadata.name, text))


def update_cron_job(new: Any, old: Any, errors: Errors) -> None:
    cron_job_spec(new.spec, errors)


def cron_job_spec(spec: Any, errors: Errors) -> None:
    if not spec.schedule:
        errors.append(required("spec.schedule"))
    else:
        schedule(spec, errors)
    not_negative(spec.startingDeadlineSeconds, errors, "spec.startingDeadlineSeconds")
    if spec.timeZone is not None:
        time_zone(spec.timeZone, errors)
    if spec.concurrencyPolicy not in CONCURRENCY:
        value = spec.concurrencyPolicy
        errors.append(
            not_supported("spec.concurrencyPolicy", value, CONCURRENCY) if value else required("spec.concurrencyPolicy")
        )
    inner, path = spec.jobTemplate.spec, "spec.jobTemplate.spec"
    job_spec(inner, errors, path)
    if inner.manualSelector:
        errors.append(not_supported(f"{path}.manualSelector", True, ("nil", "false")))
    if inner.selector is not None:
        errors.append(invalid(f"{path}.selector", inner.selector, "`selector` will be auto-generated"))
    not_negative(spec.successfulJobsHistoryLimit, errors, "spec.successfulJobsHistoryLimit")
    not_negative(spec.failedJobsHistoryLimit, errors, "spec.failedJobsHistoryLimit")


def schedule(spec: Any, errors: Errors) -> None:
    text = spec.schedule
    if "TZ" in text:
        errors.append(
            invalid("spec.schedule", text, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead")
        )
        return
    try:
        parse_schedule(text)
    except CronError as error:
        errors.append(invalid("spec.schedule", text, str(error)))


def time_zone(name: str, errors: Errors) -> None:
    if not name:
        errors.append(invalid("spec.timeZone", name, "timeZone must be nil or non-empty string"))
    elif name.lower() == "local":
        text = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        errors.append(invalid("spec.timeZone", name, text))
    elif not known_zone(name):
        errors.append(invalid("spec.timeZone", name, f"unknown time zone {name}"))


def known_zone(name: str) -> bool:
    """Also of names that are none: each part of one would be looked for as a package."""
    if not ZONE.fullmatch(name):
        return False
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


RULES: dict[str, Rule] = {
    "CronJob": Rule(create=create_cron_job, update=update_cron_job),
    "Job": Rule(create=create_job, update=update_job, subresources={"status": update_job_status}),
}
