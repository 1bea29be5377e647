"""Rules for what webhooks and policies look at: operations, resources, conditions. Source: API reference v1.36."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import FieldError
from sampan.api.names import qualified
from sampan.api.validation.expressions import expression
from sampan.api.validation.problems import duplicate, each_invalid, invalid, not_supported, required, too_many

Errors = list[FieldError]

FAILURE_POLICIES = ("Fail", "Ignore")
MATCH_POLICIES = ("Equivalent", "Exact")
REINVOCATIONS = ("IfNeeded", "Never")
OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
SCOPES = ("*", "Cluster", "Namespaced")
MATCH_CONDITIONS = 64


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
