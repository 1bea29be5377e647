"""Rules for LimitRange and ResourceQuota. Source: API reference v1.36; concepts, "Resource Quotas", "Limit Ranges"."""

from __future__ import annotations

from typing import Any

from sampan.api.names import qualified
from sampan.api.quantity import parse
from sampan.api.validation.core.context import Errors
from sampan.api.validation.metadata import immutable
from sampan.api.validation.problems import duplicate, each_invalid, forbidden, invalid, required
from sampan.api.validation.resources import container_resource_name, is_standard, quantity, quota_resource_name

AMOUNTS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
LIMIT_TYPES = ("Pod", "Container", "PersistentVolumeClaim")
SCOPES = (
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
)
CONFLICTING = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))
EXISTS_ONLY = ("Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "CrossNamespacePodAffinity")
POD_SCOPES = ("Terminating", "NotTerminating", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity")
POD_RESOURCES = frozenset(
    {"pods", "cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"}
    | {"ephemeral-storage", "requests.ephemeral-storage", "limits.ephemeral-storage"}
)


def create_limit_range(obj: Any, errors: Errors) -> None:
    types: set[str] = set()
    for index, limit in enumerate(obj.spec.limits or ()):
        path, kind = f"spec.limits[{index}]", limit.type or ""
        limit_type(kind, errors, f"{path}.type")
        if kind in types:
            errors.append(duplicate(f"{path}.type", kind))
        types.add(kind)
        limit_item(limit, kind, errors, path)


def limit_type(kind: str, errors: Errors, path: str) -> None:
    wrong = qualified(kind)
    errors.extend(each_invalid(path, kind, wrong))
    if not wrong and "/" not in kind and kind not in LIMIT_TYPES:
        errors.append(invalid(path, kind, "must be a standard limit type or fully qualified"))


def update_limit_range(new: Any, old: Any, errors: Errors) -> None:
    create_limit_range(new, errors)


def limit_item(limit: Any, kind: str, errors: Errors, path: str) -> None:
    amounts = {name: getattr(limit, name) or {} for name in AMOUNTS}
    for name in ("max", "min"):
        for key in amounts[name]:
            limit_resource(kind, key, errors, f"{path}.{name}[{key}]")
    if kind == "Pod":
        for name in ("default", "defaultRequest"):
            if amounts[name]:
                errors.append(forbidden(f"{path}.{name}", "may not be specified when `type` is 'Pod'"))
    else:
        for name in ("default", "defaultRequest"):
            for key in amounts[name]:
                limit_resource(kind, key, errors, f"{path}.{name}[{key}]")
    if kind == "PersistentVolumeClaim" and "storage" not in amounts["max"] and "storage" not in amounts["min"]:
        errors.append(
            required(f"{path}.limits", "either minimum or maximum storage value is required, but neither was provided")
        )
    for key in amounts["maxLimitRequestRatio"]:
        limit_resource(kind, key, errors, f"{path}.maxLimitRequestRatio[{key}]")
    for key in dict.fromkeys(k for name in AMOUNTS for k in amounts[name]):
        bounds({name: parse(v[key]) for name, v in amounts.items() if key in v}, key, errors, path)


def limit_resource(kind: str, name: str, errors: Errors, path: str) -> None:
    """What may be limited depends on what is limited."""
    if kind in ("Pod", "Container"):
        container_resource_name(name, errors, path)
    else:
        wrong = qualified(name)
        errors.extend(each_invalid(path, name, wrong))
        if not wrong and "/" not in name and not is_standard(name):
            errors.append(invalid(path, name, "must be a standard resource type or fully qualified"))


def bounds(have: dict[str, Any], key: str, errors: Errors, path: str) -> None:
    """min <= defaultRequest <= default <= max."""
    most, least, default, request = (have.get(n) for n in ("max", "min", "default", "defaultRequest"))
    ratio = have.get("maxLimitRequestRatio")

    def check(field: str, value: Any, low: Any, high: Any, low_name: str, high_name: str) -> None:
        if low is not None and high is not None and high < low:
            text = f"{low_name} value {low} is greater than {high_name} value {high}"
            errors.append(invalid(f"{path}.{field}[{key}]", str(value), text))

    check("min", least, least, most, "min", "max")
    check("defaultRequest", request, least, request, "min", "default request")
    check("defaultRequest", request, request, most, "default request", "max")
    check("defaultRequest", request, request, default, "default request", "default limit")
    check("default", default, least, default, "min", "default")
    check("default", most, default, most, "default", "max")
    if ratio is not None:
        limit_ratio(ratio, most, least, key, errors, path)


def limit_ratio(ratio: Any, most: Any, least: Any, key: str, errors: Errors, path: str) -> None:
    here = f"{path}.maxLimitRequestRatio[{key}]"
    if ratio.value < 1:
        errors.append(invalid(here, str(ratio), f"ratio {ratio} is less than 1"))
    if most is not None and least is not None and least.value:
        largest = float(most.value) / float(least.value)
        if float(ratio.value) > largest:
            errors.append(invalid(here, str(ratio), f"ratio {ratio} is greater than max/min = {largest:f}"))


def create_quota(obj: Any, errors: Errors) -> None:
    for name, amount in (obj.spec.hard or {}).items():
        path = f"spec.hard[{name}]"
        quota_resource_name(name, errors, path)
        quantity(name, amount, errors, path)
    if obj.spec.scopes:
        scopes(obj.spec, errors)
    if obj.spec.scopeSelector is not None:
        scope_selector(obj.spec.scopeSelector, errors)


def scopes(spec: Any, errors: Errors) -> None:
    hard = set(spec.hard or {})
    given: list[str] = list(spec.scopes)
    for scope in given:
        if scope not in SCOPES:
            errors.append(invalid("spec.scopes", given, "unsupported scope"))
        for name in hard:
            if scope in SCOPES and not scope_allows(scope, name):
                errors.append(invalid("spec.scopes", given, "unsupported scope applied to resource"))
    if any(set(pair) <= set(given) for pair in CONFLICTING):
        errors.append(invalid("spec.scopes", given, "conflicting scopes"))


def scope_allows(scope: str, resource: str) -> bool:
    if scope == "BestEffort":
        return resource == "pods" or not is_standard(resource)
    if scope in POD_SCOPES:
        return resource in POD_RESOURCES or not is_standard(resource)
    return True


def scope_selector(selector: Any, errors: Errors) -> None:
    path = "spec.scopeSelector.matchExpressions"
    for requirement in selector.matchExpressions or ():
        scope, operator, values = requirement.scopeName or "", requirement.operator or "", requirement.values or ()
        if scope not in SCOPES:
            errors.append(invalid(f"{path}.scopeName", scope, "unsupported scope"))
        if scope in EXISTS_ONLY and operator != "Exists":
            text = (
                "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating,"
            )
            text += " ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or"
            text += " ResourceQuotaScopeCrossNamespacePodAffinity"
            errors.append(invalid(f"{path}.operator", operator, text))
        if operator in ("In", "NotIn"):
            if not values:
                text = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                errors.append(required(f"{path}.values", text))
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                text = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
                errors.append(invalid(f"{path}.values", list(values), text))
        else:
            errors.append(invalid(f"{path}.operator", operator, "not a valid selector operator"))


def update_quota(new: Any, old: Any, errors: Errors) -> None:
    create_quota(new, errors)
    now, before = sorted(new.spec.scopes or ()), sorted(old.spec.scopes or ())
    immutable(now, before, errors, "spec.scopes")


def update_quota_status(new: Any, old: Any, errors: Errors) -> None:
    for field in ("hard", "used"):
        for name, amount in ((getattr(new.status, field) if new.status is not None else None) or {}).items():
            quota_resource_name(name, errors, f"status.{field}[{name}]")
            quantity(name, amount, errors, f"status.{field}[{name}]")
