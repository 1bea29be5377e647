"""Rules of the admissionregistration.k8s.io group: webhooks and policies. Source: API reference v1.36; KEP-3488."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from sampan.api import cel
from sampan.api.errors import FieldError
from sampan.api.names import label, label_1035, path_segment, qualified, subdomain
from sampan.api.validation.expressions import POLICY, REQUEST, expression, well_formed
from sampan.api.validation.network import PORT_RANGE
from sampan.api.validation.problems import (
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    required,
    too_many,
)
from sampan.api.validation.rule import Rule
from sampan.api.validation.selectors import label_selector

GROUP = "admissionregistration.k8s.io"
Errors = list[FieldError]

SIDE_EFFECTS = ("None", "NoneOnDryRun")
FAILURE_POLICIES = ("Fail", "Ignore")
MATCH_POLICIES = ("Equivalent", "Exact")
REINVOCATIONS = ("IfNeeded", "Never")
OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
SCOPES = ("*", "Cluster", "Namespaced")
REVIEW_VERSIONS = ("v1", "v1beta1")
REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
ACTIONS = ("Audit", "Deny", "Warn")
MATCH_CONDITIONS = 64
URL_FORM = "desired format: https://host[/path]"
DENY_AND_WARN = (
    "must not contain both Deny and Warn (repeating the same validation failure information in the API response and "
    "headers serves no purpose)"
)
NOTHING_CHECKED = "validations or auditAnnotations must contain at least one item"


def create_validating(obj: Any, errors: Errors) -> None:
    webhooks(obj.webhooks or (), errors, mutating=False)


def create_mutating(obj: Any, errors: Errors) -> None:
    webhooks(obj.webhooks or (), errors, mutating=True)


def update_validating(new: Any, old: Any, errors: Errors) -> None:
    create_validating(new, errors)


def update_mutating(new: Any, old: Any, errors: Errors) -> None:
    create_mutating(new, errors)


def webhooks(given: Any, errors: Errors, *, mutating: bool) -> None:
    names: set[str] = set()
    for index, hook in enumerate(given):
        path = f"webhooks[{index}]"
        webhook(hook, errors, path)
        if mutating and hook.reinvocationPolicy is not None and hook.reinvocationPolicy not in REINVOCATIONS:
            errors.append(not_supported(f"{path}.reinvocationPolicy", hook.reinvocationPolicy, REINVOCATIONS))
        review_versions(hook.admissionReviewVersions or [], errors, f"{path}.admissionReviewVersions")
        name = hook.name or ""
        if name:
            if name in names:
                errors.append(duplicate(f"{path}.name", name))
            names.add(name)


def webhook(hook: Any, errors: Errors, path: str) -> None:
    fully_qualified(hook.name, errors, f"{path}.name")
    for index, rule in enumerate(hook.rules or ()):
        rule_with_operations(rule, errors, f"{path}.rules[{index}]")
    for field, supported in (("failurePolicy", FAILURE_POLICIES), ("matchPolicy", MATCH_POLICIES)):
        value = getattr(hook, field)
        if value is not None and value not in supported:
            errors.append(not_supported(f"{path}.{field}", value, supported))
    if hook.sideEffects is None:
        errors.append(required(f"{path}.sideEffects", "must specify one of None, NoneOnDryRun"))
    elif hook.sideEffects not in SIDE_EFFECTS:
        errors.append(not_supported(f"{path}.sideEffects", hook.sideEffects, SIDE_EFFECTS))
    seconds = hook.timeoutSeconds
    if seconds is not None and not 1 <= seconds <= 30:
        text = "the timeout value must be between 1 and 30 seconds"
        errors.append(invalid(f"{path}.timeoutSeconds", seconds, text))
    label_selector(hook.namespaceSelector, errors, f"{path}.namespaceSelector")
    label_selector(hook.objectSelector, errors, f"{path}.objectSelector")
    client_config(hook.clientConfig, errors, f"{path}.clientConfig")
    match_conditions(hook.matchConditions or (), REQUEST, errors, f"{path}.matchConditions")


def fully_qualified(name: str | None, errors: Errors, path: str) -> None:
    """A name with a domain of its own."""
    if not name:
        errors.append(required(path))
    elif wrong := subdomain(name):
        errors.extend(each_invalid(path, name, wrong))
    elif len(name.split(".")) < 3:
        errors.append(invalid(path, name, "should be a domain with at least three segments separated by dots"))


def client_config(config: Any, errors: Errors, path: str) -> None:
    if (config.url is None) == (config.service is None):
        errors.append(required(path, "exactly one of url or service is required"))
    elif config.url is not None:
        webhook_url(config.url, errors, f"{path}.url")
    else:
        webhook_service(config.service, errors, f"{path}.service")


def webhook_url(text: str, errors: Errors, path: str) -> None:
    try:
        url = urlsplit(text)
    except ValueError as error:
        errors.append(required(path, f"url must be a valid URL: {error}; {URL_FORM}"))
        return
    if url.scheme != "https":
        errors.append(invalid(path, url.scheme, f"'https' is the only allowed URL scheme; {URL_FORM}"))
    if not url.netloc:
        errors.append(invalid(path, url.netloc, f"host must be specified; {URL_FORM}"))
    if "@" in url.netloc:
        user = url.netloc.rpartition("@")[0]
        errors.append(invalid(path, user, f"user information is not permitted in the URL; {URL_FORM}"))
    if url.fragment:
        errors.append(invalid(path, url.fragment, f"fragments are not permitted in the URL; {URL_FORM}"))
    if url.query:
        errors.append(invalid(path, url.query, f"query parameters are not permitted in the URL; {URL_FORM}"))


def webhook_service(service: Any, errors: Errors, path: str) -> None:
    # Upstream tells a missing name at `namespace` and the other way round; clients see it so.
    if not service.namespace:
        errors.append(required(f"{path}.name"))
    if not service.name:
        errors.append(required(f"{path}.namespace"))
    if service.port is not None and not 1 <= service.port <= 65535:
        errors.append(invalid(f"{path}.port", service.port, f"port is not valid: {PORT_RANGE}"))
    if service.path is not None:
        service_path(service.path, errors, f"{path}.path")


def service_path(text: str, errors: Errors, path: str) -> None:
    if text in ("", "/"):
        return
    if text == "//":
        errors.append(invalid(path, text, "segment[0] may not be empty"))
        return
    if not text.startswith("/"):
        errors.append(invalid(path, text, "must start with a '/'"))
    for index, step in enumerate(text[1:].removesuffix("/").split("/")):
        if not step:
            errors.append(invalid(path, text, f"segment[{index}] may not be empty"))
            continue
        errors.extend(invalid(path, text, f"segment[{index}]: {wrong}") for wrong in subdomain(step))


def rule_with_operations(rule: Any, errors: Errors, path: str) -> None:
    operations = rule.operations or []
    if not operations:
        errors.append(required(f"{path}.operations"))
    if len(operations) > 1 and "*" in operations:
        text = "if '*' is present, must not specify other operations"
        errors.append(invalid(f"{path}.operations", operations, text))
    for index, operation in enumerate(operations):
        if operation not in OPERATIONS:
            errors.append(not_supported(f"{path}.operations[{index}]", operation, OPERATIONS))
    for field, noun in (("apiGroups", "API groups"), ("apiVersions", "API versions")):
        values = getattr(rule, field) or []
        if not values:
            errors.append(required(f"{path}.{field}"))
        if len(values) > 1 and "*" in values:
            text = f"if '*' is present, must not specify other {noun}"
            errors.append(invalid(f"{path}.{field}", values, text))
        if field == "apiVersions":
            errors.extend(required(f"{path}.{field}[{i}]") for i, value in enumerate(values) if not value)
    rule_resources(rule.resources or [], errors, f"{path}.resources")
    if rule.scope is not None and rule.scope not in SCOPES:
        errors.append(not_supported(f"{path}.scope", rule.scope, SCOPES))


def rule_resources(given: list[str], errors: Errors, path: str) -> None:
    if not given:
        errors.append(required(path))
    everywhere: set[str] = set()
    for index, text in enumerate(given):
        here = f"{path}[{index}]"
        if not text:
            errors.append(required(here))
            continue
        resource, _, sub = text.partition("/")
        if sub == "*" and resource in everywhere:
            errors.append(invalid(here, text, f"if '{resource}/*' is present, must not specify {text}"))
        if sub == "*":
            everywhere.add(resource)
    if len(given) > 1 and "*/*" in given:
        errors.append(invalid(path, given, "if '*/*' is present, must not specify other resources"))
    elif len(given) > 1 and "*" in given and any("/" not in g for g in given if g != "*"):
        text = "if '*' is present, must not specify other resources without subresources"
        errors.append(invalid(path, given, text))


def review_versions(given: list[str], errors: Errors, path: str) -> None:
    if not given:
        errors.append(required(path, "must specify one of v1, v1beta1"))
        return
    seen: set[str] = set()
    for index, version in enumerate(given):
        if version in seen:
            errors.append(invalid(f"{path}[{index}]", version, "duplicate version"))
            continue
        seen.add(version)
        errors.extend(each_invalid(f"{path}[{index}]", version, label_1035(version)))
    if not seen & set(REVIEW_VERSIONS):
        errors.append(invalid(path, given, "must include at least one of v1, v1beta1"))


def match_conditions(given: Any, names: frozenset[str], errors: Errors, path: str) -> None:
    if len(given) > MATCH_CONDITIONS:
        errors.append(too_many(path, len(given), MATCH_CONDITIONS))
    seen: set[str] = set()
    for index, condition in enumerate(given):
        here, name = f"{path}[{index}]", condition.name or ""
        expression(condition.expression, names, errors, f"{here}.expression")
        if not name:
            errors.append(required(f"{here}.name"))
            continue
        errors.extend(each_invalid(f"{here}.name", name, qualified(name)))
        if name in seen:
            errors.append(duplicate(f"{here}.name", name))
        seen.add(name)


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


RULES: dict[str, Rule] = {
    "MutatingAdmissionPolicy": Rule(create=create_mutating_policy, update=update_mutating_policy, any_version=True),
    "MutatingAdmissionPolicyBinding": Rule(
        create=create_mutating_binding, update=update_mutating_binding, any_version=True
    ),
    "MutatingWebhookConfiguration": Rule(create=create_mutating, update=update_mutating),
    "ValidatingAdmissionPolicy": Rule(create=create_policy, update=update_policy),
    "ValidatingAdmissionPolicyBinding": Rule(create=create_binding, update=update_binding),
    "ValidatingWebhookConfiguration": Rule(create=create_validating, update=update_validating),
}
