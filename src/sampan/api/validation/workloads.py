"""Rules of pods that are scheduled together (KEP-4671): Workload and PodGroup. Source: API reference v1.36."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import FieldError
from sampan.api.names import label, path_segment, qualified
from sampan.api.validation.metadata import immutable, long_name
from sampan.api.validation.problems import (
    Shown,
    duplicate,
    each_invalid,
    invalid,
    not_supported,
    required,
    too_many,
)
from sampan.api.validation.rule import Rule

Errors = list[FieldError]

SEVERAL = "multiple fields are set"
CLAIM_NAMES = "`resourceClaimName`, `resourceClaimTemplateName`"
TEMPLATES = 8
CLAIMS = 4
TOPOLOGY = 1
DISRUPTION = ("Pod", "PodGroup")
HIGHEST = 1_000_000_000
UNIT = ("disruptionMode", "priorityClassName", "priority")
FIXED = ("podGroupTemplateRef", "schedulingPolicy", "schedulingConstraints", "resourceClaims", *UNIT)


def create_workload(obj: Any, errors: Errors) -> None:
    spec = obj.spec
    if spec.controllerRef is not None:
        controller(spec.controllerRef, errors, "spec.controllerRef")
    templates = spec.podGroupTemplates or ()
    if not templates:
        errors.append(required("spec.podGroupTemplates"))
    elif len(templates) > TEMPLATES:
        errors.append(too_many("spec.podGroupTemplates", len(templates), TEMPLATES))
        return
    seen: set[str | None] = set()
    for index, each in enumerate(templates):
        path = f"spec.podGroupTemplates[{index}]"
        if each.name in seen:
            errors.append(duplicate(path, each))
        seen.add(each.name)
        named(each.name, errors, f"{path}.name", label)
        group(each, errors, path)


def update_workload(new: Any, old: Any, errors: Errors) -> None:
    """Who controls a workload may be told later, but once."""
    if old.spec.controllerRef is not None:
        immutable(new.spec.controllerRef, old.spec.controllerRef, errors, "spec.controllerRef")
    elif new.spec.controllerRef is not None:
        controller(new.spec.controllerRef, errors, "spec.controllerRef")
    immutable(new.spec.podGroupTemplates, old.spec.podGroupTemplates, errors, "spec.podGroupTemplates")


def create_group(obj: Any, errors: Errors) -> None:
    reference = obj.spec.podGroupTemplateRef
    if reference is not None:
        template_reference(reference, errors, "spec.podGroupTemplateRef")
    group(obj.spec, errors, "spec")


def update_group(new: Any, old: Any, errors: Errors) -> None:
    for field in FIXED:
        immutable(getattr(new.spec, field), getattr(old.spec, field), errors, f"spec.{field}")


def update_group_status(new: Any, old: Any, errors: Errors) -> None:
    claims = (new.status.resourceClaimStatuses if new.status is not None else None) or ()
    path = "status.resourceClaimStatuses"
    if len(claims) > CLAIMS:
        errors.append(too_many(path, len(claims), CLAIMS))
        return
    unique_names(claims, errors, path)
    for index, claim in enumerate(claims):
        if claim.resourceClaimName is not None:
            name, here = claim.resourceClaimName, f"{path}[{index}].resourceClaimName"
            errors.extend(each_invalid(here, name, long_name(name)))


def controller(reference: Any, errors: Errors, path: str) -> None:
    if reference.apiGroup:
        errors.extend(each_invalid(f"{path}.apiGroup", reference.apiGroup, long_name(reference.apiGroup)))
    for field in ("kind", "name"):
        named(getattr(reference, field), errors, f"{path}.{field}", path_segment)


def named(value: str | None, errors: Errors, path: str, check: Any) -> None:
    if not value:
        errors.append(required(path))
    else:
        errors.extend(each_invalid(path, value, check(value)))


def group(spec: Any, errors: Errors, path: str) -> None:
    """What a group of pods and a template of one share."""
    policy(spec.schedulingPolicy, errors, f"{path}.schedulingPolicy")
    topology = (spec.schedulingConstraints.topology if spec.schedulingConstraints is not None else None) or ()
    if len(topology) > TOPOLOGY:
        errors.append(too_many(f"{path}.schedulingConstraints.topology", len(topology), TOPOLOGY))
    else:
        for index, each in enumerate(topology):
            named(each.key, errors, f"{path}.schedulingConstraints.topology[{index}].key", qualified)
    resource_claims(spec.resourceClaims or (), errors, f"{path}.resourceClaims")
    if spec.disruptionMode is not None and spec.disruptionMode not in DISRUPTION:
        errors.append(not_supported(f"{path}.disruptionMode", spec.disruptionMode, DISRUPTION))
    if spec.priorityClassName:
        errors.extend(
            each_invalid(f"{path}.priorityClassName", spec.priorityClassName, long_name(spec.priorityClassName))
        )
    if spec.priority is not None and spec.priority > HIGHEST:
        errors.append(invalid(f"{path}.priority", spec.priority, f"must be less than or equal to {HIGHEST}"))


def policy(given: Any, errors: Errors, path: str) -> None:
    """Pods one by one, or a gang that starts together."""
    basic, gang = (given.basic, given.gang) if given is not None else (None, None)
    if basic is None and gang is None:
        errors.append(invalid(path, "", "must specify one of: `basic`, `gang`"))
        return
    if basic is not None and gang is not None:
        errors.append(invalid(path, "{`basic`, `gang`}", f"exactly one of `basic`, `gang` is required, but {SEVERAL}"))
    if gang is not None:
        if not gang.minCount:
            errors.append(required(f"{path}.gang.minCount"))
        elif gang.minCount < 1:
            errors.append(invalid(f"{path}.gang.minCount", gang.minCount, "must be greater than or equal to 1"))


def resource_claims(given: Any, errors: Errors, path: str) -> None:
    if len(given) > CLAIMS:
        errors.append(too_many(path, len(given), CLAIMS))
        return
    unique_names(given, errors, path)
    for index, claim in enumerate(given):
        here = f"{path}[{index}]"
        fields = [f for f in ("resourceClaimName", "resourceClaimTemplateName") if getattr(claim, f) is not None]
        if not fields:
            errors.append(invalid(here, "", f"must specify one of: {CLAIM_NAMES}"))
        elif len(fields) > 1:
            text = f"exactly one of {CLAIM_NAMES} is required, but {SEVERAL}"
            errors.append(invalid(here, f"{{{CLAIM_NAMES}}}", text))
        named(claim.name, errors, f"{here}.name", label)
        for field in fields:
            errors.extend(each_invalid(f"{here}.{field}", getattr(claim, field), long_name(getattr(claim, field))))


def unique_names(given: Any, errors: Errors, path: str) -> None:
    seen: set[str | None] = set()
    for index, each in enumerate(given):
        if each.name in seen:
            errors.append(duplicate(f"{path}[{index}]", Shown(f'{{"name":"{each.name or ""}"}}')))
        seen.add(each.name)


def template_reference(reference: Any, errors: Errors, path: str) -> None:
    workload = reference.workload
    if workload is None:
        errors.append(invalid(path, "", "must specify one of: `workload`"))
        return
    named(workload.workloadName, errors, f"{path}.workload.workloadName", long_name)
    named(workload.podGroupTemplateName, errors, f"{path}.workload.podGroupTemplateName", label)


RULES: dict[str, Rule] = {
    "PodGroup": Rule(create=create_group, update=update_group, subresources={"status": update_group_status}),
    "Workload": Rule(create=create_workload, update=update_workload),
}
