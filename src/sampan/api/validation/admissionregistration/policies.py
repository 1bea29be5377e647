"""Rules for admission policies in CEL and their bindings. Source: API reference v1.36; KEP-3488, KEP-3962."""

from __future__ import annotations

from typing import Any

from sampan.api import cel
from sampan.api.errors import FieldError
from sampan.api.names import label, label_1035, path_segment, qualified, subdomain
from sampan.api.validation.admissionregistration.matching import (
    FAILURE_POLICIES,
    MATCH_POLICIES,
    REINVOCATIONS,
    match_conditions,
    rule_with_operations,
)
from sampan.api.validation.conditions import conditions
from sampan.api.validation.expressions import POLICY, expression, well_formed
from sampan.api.validation.problems import duplicate, each_invalid, forbidden, invalid, not_supported, required
from sampan.api.validation.selectors import label_selector

Errors = list[FieldError]

REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
ACTIONS = ("Audit", "Deny", "Warn")
DENY_AND_WARN = (
    "must not contain both Deny and Warn (repeating the same validation failure information in the API response and "
    "headers serves no purpose)"
)
NOTHING_CHECKED = "validations or auditAnnotations must contain at least one item"


def create_policy(obj: Any, errors: Errors) -> None:
    spec = obj.spec
    shared_policy(spec, errors)
    if not spec.validations and not spec.auditAnnotations:
        errors.append(required("spec.validations", NOTHING_CHECKED))
        errors.append(required("spec.auditAnnotations", NOTHING_CHECKED))
    for index, each in enumerate(spec.validations or ()):
        validation(each, errors, f"spec.validations[{index}]")
    keys: set[str] = set()
    for index, each in enumerate(spec.auditAnnotations or ()):
        audit_annotation(each, obj.metadata.name or "", errors, f"spec.auditAnnotations[{index}]")
        if each.key in keys:
            errors.append(duplicate(f"spec.auditAnnotations[{index}].key", each.key))
        keys.add(each.key or "")


def shared_policy(spec: Any, errors: Errors) -> None:
    """What validating and mutating policies have in common."""
    if spec.failurePolicy is not None and spec.failurePolicy not in FAILURE_POLICIES:
        errors.append(not_supported("spec.failurePolicy", spec.failurePolicy, FAILURE_POLICIES))
    if spec.paramKind is not None:
        param_kind(spec.paramKind, errors, "spec.paramKind")
    if spec.matchConstraints is None:
        errors.append(required("spec.matchConstraints"))
    else:
        match_resources(spec.matchConstraints, errors, "spec.matchConstraints")
        if not spec.matchConstraints.resourceRules:
            errors.append(required("spec.matchConstraints.resourceRules"))
    match_conditions(spec.matchConditions or (), POLICY - {"variables"}, errors, "spec.matchConditions")
    variables(spec.variables or (), errors, "spec.variables")


def update_policy(new: Any, old: Any, errors: Errors) -> None:
    create_policy(new, errors)


def update_policy_status(new: Any, old: Any, errors: Errors) -> None:
    checked = new.status.typeChecking
    for index, each in enumerate((checked.expressionWarnings if checked is not None else None) or ()):
        path = f"status.typeChecking.expressionWarnings[{index}]"
        if not each.warning:
            errors.append(required(f"{path}.warning"))
        if not (each.fieldRef or "").strip():
            errors.append(required(f"{path}.fieldRef"))
    conditions(new.status.conditions, errors, "status.conditions")


def param_kind(kind: Any, errors: Errors, path: str) -> None:
    for field in ("apiVersion", "kind"):
        if not getattr(kind, field):
            errors.append(required(f"{path}.{field}"))
    if kind.apiVersion and kind.apiVersion.count("/") > 1:
        errors.append(
            invalid(f"{path}.apiVersion", kind.apiVersion, f"unexpected GroupVersion string: {kind.apiVersion}")
        )
    if kind.kind and label_1035(kind.kind.lower()):
        text = "may have mixed case, but should otherwise match: " + ",".join(label_1035(kind.kind.lower()))
        errors.append(invalid(f"{path}.kind", kind.kind, text))


def match_resources(given: Any, errors: Errors, path: str) -> None:
    if given.namespaceSelector is None:
        errors.append(required(f"{path}.namespaceSelector"))
    label_selector(given.namespaceSelector, errors, f"{path}.namespaceSelector")
    if given.objectSelector is None:
        errors.append(required(f"{path}.objectSelector"))
    label_selector(given.objectSelector, errors, f"{path}.objectSelector")
    for field in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(getattr(given, field) or ()):
            here = f"{path}.{field}[{index}]"
            rule_with_operations(rule, errors, here)
            for number, name in enumerate(rule.resourceNames or ()):
                errors.extend(each_invalid(f"{here}.resourceNames[{number}]", name, path_segment(name)))
    if given.matchPolicy is not None and given.matchPolicy not in MATCH_POLICIES:
        errors.append(not_supported(f"{path}.matchPolicy", given.matchPolicy, MATCH_POLICIES))


def variables(given: Any, errors: Errors, path: str) -> None:
    for index, variable in enumerate(given):
        here, name = f"{path}[{index}]", variable.name or ""
        if not name:
            errors.append(required(f"{here}.name", "name is not specified"))
        elif not cel.is_identifier(name):
            errors.append(invalid(f"{here}.name", name, "must be a valid CEL identifier"))
        expression(variable.expression, POLICY, errors, f"{here}.expression", "expression is not specified")


def validation(each: Any, errors: Errors, path: str) -> None:
    expression(each.expression, POLICY, errors, f"{path}.expression", "expression is not specified")
    if each.messageExpression and not each.messageExpression.strip():
        text = "must be non-empty if specified"
        errors.append(invalid(f"{path}.messageExpression", each.messageExpression, text))
    elif each.messageExpression:
        well_formed(each.messageExpression, POLICY, errors, f"{path}.messageExpression")
    message = each.message or ""
    if message and not message.strip():
        errors.append(invalid(f"{path}.message", message, "message must be non-empty if specified"))
    elif "\n" in message:
        errors.append(invalid(f"{path}.message", message, "message must not contain line breaks"))
    elif "\n" in (each.expression or "").strip() and not message:
        errors.append(required(f"{path}.message", "message must be specified if expression contains line breaks"))
    if each.reason is not None and each.reason not in REASONS:
        errors.append(not_supported(f"{path}.reason", each.reason, REASONS))


def audit_annotation(each: Any, policy: str, errors: Errors, path: str) -> None:
    """A key that stands behind the policy's name in the audit log."""
    key = each.key or ""
    if not policy:
        errors.append(invalid(f"{path}.key", key, "requires metadata.name be non-empty"))
    else:
        whole = f"{policy}/{key}"
        errors.extend(each_invalid(f"{path}.key", whole, qualified(whole)))
    missing = "valueExpression is not specified"
    expression(each.valueExpression, POLICY, errors, f"{path}.valueExpression", missing)


def create_mutating_policy(obj: Any, errors: Errors) -> None:
    spec = obj.spec
    shared_policy(spec, errors)
    if spec.reinvocationPolicy not in REINVOCATIONS:
        value = spec.reinvocationPolicy
        path = "spec.reinvocationPolicy"
        errors.append(not_supported(path, value, REINVOCATIONS) if value else required(path))
    if not spec.mutations:
        errors.append(required("spec.mutations", "mutations must contain at least one item"))
    for index, mutation in enumerate(spec.mutations or ()):
        mutate(mutation, errors, f"spec.mutations[{index}]")


PATCH_TYPES = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}


def mutate(mutation: Any, errors: Errors, path: str) -> None:
    kind = mutation.patchType or ""
    if kind not in PATCH_TYPES:
        errors.append(not_supported(f"{path}.patchType", kind, PATCH_TYPES))
        return
    for other, field in PATCH_TYPES.items():
        if other != kind and getattr(mutation, field) is not None:
            errors.append(
                invalid(f"{path}.{field}", "{applyConfiguration}", f"is not allowed when patchType is {kind}")
            )
    if getattr(mutation, PATCH_TYPES[kind]) is None:
        errors.append(required(f"{path}.{PATCH_TYPES[kind]}", f"must be specified when patchType is {kind}"))


def update_mutating_policy(new: Any, old: Any, errors: Errors) -> None:
    create_mutating_policy(new, errors)


def create_binding(obj: Any, errors: Errors) -> None:
    policy_name(obj.spec, errors)
    binding_scope(obj.spec, errors)
    actions(obj.spec.validationActions or (), errors, "spec.validationActions")


def create_mutating_binding(obj: Any, errors: Errors) -> None:
    policy_name(obj.spec, errors)
    binding_scope(obj.spec, errors)


def update_binding(new: Any, old: Any, errors: Errors) -> None:
    create_binding(new, errors)


def update_mutating_binding(new: Any, old: Any, errors: Errors) -> None:
    create_mutating_binding(new, errors)


def policy_name(spec: Any, errors: Errors) -> None:
    if not spec.policyName:
        errors.append(required("spec.policyName"))
    else:
        errors.extend(each_invalid("spec.policyName", spec.policyName, subdomain(spec.policyName)))


def binding_scope(spec: Any, errors: Errors) -> None:
    if spec.paramRef is not None:
        param_ref(spec.paramRef, errors, "spec.paramRef")
    if spec.matchResources is not None:
        match_resources(spec.matchResources, errors, "spec.matchResources")


def param_ref(reference: Any, errors: Errors, path: str) -> None:
    if reference.name:
        errors.extend(each_invalid(f"{path}.name", reference.name, path_segment(reference.name)))
        if reference.selector is not None:
            text = "name and selector are mutually exclusive"
            errors.append(forbidden(f"{path}.name", text))
    if reference.selector is not None:
        label_selector(reference.selector, errors, f"{path}.selector")
    elif not reference.name:
        errors.append(required(path, "one of name or selector must be specified"))
    if reference.namespace:
        errors.extend(each_invalid(f"{path}.namespace", reference.namespace, label(reference.namespace)))
    action = reference.parameterNotFoundAction
    if not action:
        errors.append(required(f"{path}.parameterNotFoundAction"))
    elif action not in ("Allow", "Deny"):
        errors.append(not_supported(f"{path}.parameterNotFoundAction", action, ("Deny", "Allow")))


def actions(given: Any, errors: Errors, path: str) -> None:
    if not given:
        errors.append(required(path, "at least one validation action is required"))
    seen: set[str] = set()
    for index, action in enumerate(given):
        if action not in ACTIONS:
            errors.append(not_supported(f"{path}[{index}]", action, ACTIONS))
        if action in seen:
            errors.append(duplicate(f"{path}[{index}]", action))
        seen.add(action)
    if {"Deny", "Warn"} <= seen:
        errors.append(invalid(path, list(given), DENY_AND_WARN))
