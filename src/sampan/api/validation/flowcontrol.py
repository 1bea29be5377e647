"""Rules of the flowcontrol.apiserver.k8s.io group. Source: API reference v1.36; KEP-1040."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import FieldError
from sampan.api.names import label, subdomain
from sampan.api.validation.problems import (
    Shown,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    quote,
    required,
)
from sampan.api.validation.rule import Rule

GROUP = "flowcontrol.apiserver.k8s.io"
Errors = list[FieldError]

DISTINGUISHERS = ("ByNamespace", "ByUser")
SUBJECTS = {"Group": "group", "ServiceAccount": "serviceAccount", "User": "user"}
VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
URL_VERBS = ("delete", "get", "head", "options", "patch", "post", "put")
TYPES = ("Exempt", "Limited")
RESPONSES = ("Queue", "Reject")
LARGEST_PRECEDENCE = 10000
ALL = "*"
EXEMPT_NAME = "exempt"


def create_schema(obj: Any, errors: Errors) -> None:
    spec = obj.spec
    precedence = spec.matchingPrecedence or 0
    if precedence <= 0:
        errors.append(invalid("spec.matchingPrecedence", precedence, "must be a positive value"))
    if precedence > LARGEST_PRECEDENCE:
        text = f"must not be greater than {LARGEST_PRECEDENCE}"
        errors.append(invalid("spec.matchingPrecedence", precedence, text))
    if precedence == 1 and obj.metadata.name != EXEMPT_NAME:
        text = "only the schema named 'exempt' may have matchingPrecedence 1"
        errors.append(invalid("spec.matchingPrecedence", precedence, text))
    if spec.distinguisherMethod is not None and spec.distinguisherMethod.type not in DISTINGUISHERS:
        shown = Shown(f'{{"Type":{quote(spec.distinguisherMethod.type or "")}}}')
        errors.append(not_supported("spec.distinguisherMethod.type", shown, DISTINGUISHERS))
    level = (spec.priorityLevelConfiguration.name if spec.priorityLevelConfiguration else None) or ""
    if not level:
        errors.append(required("spec.priorityLevelConfiguration.name", "must reference a priority level"))
    else:
        errors.extend(each_invalid("spec.priorityLevelConfiguration.name", level, subdomain(level)))
    for index, rule in enumerate(spec.rules or ()):
        policy_rule(rule, errors, f"spec.rules[{index}]")


def update_schema(new: Any, old: Any, errors: Errors) -> None:
    create_schema(new, errors)


def policy_rule(rule: Any, errors: Errors, path: str) -> None:
    if not rule.subjects:
        errors.append(required(f"{path}.subjects", "subjects must contain at least one value"))
    for index, each in enumerate(rule.subjects or ()):
        subject(each, errors, f"{path}.subjects[{index}]")
    if not rule.resourceRules and not rule.nonResourceRules:
        errors.append(required(path, "at least one of resourceRules and nonResourceRules has to be non-empty"))
    for index, each in enumerate(rule.resourceRules or ()):
        resource_rule(each, errors, f"{path}.resourceRules[{index}]")
    for index, each in enumerate(rule.nonResourceRules or ()):
        url_rule(each, errors, f"{path}.nonResourceRules[{index}]")


def subject(each: Any, errors: Errors, path: str) -> None:
    if each.kind not in SUBJECTS:
        errors.append(not_supported(f"{path}.kind", each.kind or "", SUBJECTS))
        return
    field = SUBJECTS[each.kind]
    for other in SUBJECTS.values():
        if other != field and getattr(each, other) is not None:
            text = f"{other} is forbidden when subject kind is not '{other[:1].upper() + other[1:]}'"
            errors.append(forbidden(f"{path}.{other}", text))
    value = getattr(each, field)
    if value is None:
        errors.append(required(f"{path}.{field}", f"{field} is required when subject kind is '{each.kind}'"))
    elif field == "serviceAccount":
        account(value, errors, f"{path}.{field}")
    elif not value.name:
        errors.append(required(f"{path}.{field}.name"))


def account(value: Any, errors: Errors, path: str) -> None:
    if not value.name:
        errors.append(required(f"{path}.name"))
    elif value.name != ALL:
        errors.extend(each_invalid(f"{path}.name", value.name, subdomain(value.name)))
    if not value.namespace:
        errors.append(required(f"{path}.namespace", "must specify namespace for service account"))
    else:
        errors.extend(each_invalid(f"{path}.namespace", value.namespace, label(value.namespace)))


def resource_rule(rule: Any, errors: Errors, path: str) -> None:
    verbs(rule.verbs, VERBS, errors, f"{path}.verbs")
    wildcard(rule.apiGroups, "apiGroups", "resource rules must supply at least one api group", errors, path)
    wildcard(rule.resources, "resources", "resource rules must supply at least one resource", errors, path)
    namespaces = rule.namespaces or ()
    if not namespaces and not rule.clusterScope:
        text = "resource rules that are not cluster scoped must supply at least one namespace"
        errors.append(required(f"{path}.namespaces", text))
    elif ALL in namespaces:
        if len(namespaces) > 1:
            text = "if '*' is present, must not specify other namespaces"
            errors.append(invalid(f"{path}.namespaces", list(namespaces), text))
    else:
        for index, name in enumerate(namespaces):
            for wrong in label(name):
                text = f"each member of this list must be '*' or a DNS-1123 label; {wrong}"
                errors.append(invalid(f"{path}.namespaces[{index}]", name, text))


def url_rule(rule: Any, errors: Errors, path: str) -> None:
    verbs(rule.verbs, URL_VERBS, errors, f"{path}.verbs")
    urls = rule.nonResourceURLs or ()
    if not urls:
        errors.append(required(f"{path}.nonResourceURLs", "nonResourceURLs must contain at least one value"))
    elif ALL in urls:
        if len(urls) > 1:
            text = "if '*' is present, must not specify other non-resource URLs"
            errors.append(invalid(f"{path}.nonResourceURLs", list(urls), text))
    else:
        for index, url in enumerate(urls):
            if not url.startswith("/"):
                errors.append(invalid(f"{path}.nonResourceURLs[{index}]", url, "must start with slash"))


def verbs(given: Any, known: tuple[str, ...], errors: Errors, path: str) -> None:
    if not given:
        errors.append(required(path, "verbs must contain at least one value"))
    elif ALL in given:
        if len(given) > 1:
            errors.append(invalid(path, list(given), "if '*' is present, must not specify other verbs"))
    elif not set(given) <= set(known):
        errors.append(not_supported(path, list(given), known))


def wildcard(given: Any, field: str, missing: str, errors: Errors, path: str) -> None:
    if not given:
        errors.append(required(f"{path}.{field}", missing))
    elif ALL in given and len(given) > 1:
        noun = "api groups" if field == "apiGroups" else field
        errors.append(invalid(f"{path}.{field}", list(given), f"if '*' is present, must not specify other {noun}"))


def create_level(obj: Any, errors: Errors) -> None:
    spec = obj.spec
    if spec.type not in TYPES:
        errors.append(not_supported("spec.type", spec.type or "", TYPES))
    if (spec.type == "Exempt") != (obj.metadata.name == EXEMPT_NAME) and obj.metadata.name == EXEMPT_NAME:
        errors.append(invalid("spec.type", spec.type, "must be 'Exempt' for the priority level named 'exempt'"))
    if spec.type == "Exempt":
        if spec.limited is not None:
            errors.append(forbidden("spec.limited", "must be nil if the type is not Limited"))
        exempt(spec.exempt, errors, "spec.exempt")
    elif spec.type == "Limited":
        if spec.exempt is not None:
            errors.append(forbidden("spec.exempt", "must be nil if the type is Limited"))
        if spec.limited is None:
            errors.append(required("spec.limited", "must not be empty when type is Limited"))
        else:
            limited(spec.limited, errors, "spec.limited")


def exempt(given: Any, errors: Errors, path: str) -> None:
    if given is None:
        return
    if given.nominalConcurrencyShares is not None and given.nominalConcurrencyShares < 0:
        text = "must be a non-negative integer"
        errors.append(invalid(f"{path}.nominalConcurrencyShares", given.nominalConcurrencyShares, text))
    lendable(given.lendablePercent, errors, f"{path}.lendablePercent")


def lendable(percent: int | None, errors: Errors, path: str) -> None:
    if percent is not None and not 0 <= percent <= 100:
        errors.append(invalid(path, percent, "must be between 0 and 100, inclusive"))


def limited(given: Any, errors: Errors, path: str) -> None:
    shares = given.nominalConcurrencyShares
    if shares is not None and shares < 0:
        errors.append(invalid(f"{path}.nominalConcurrencyShares", shares, "must be a non-negative integer"))
    limit_response(given.limitResponse, errors, f"{path}.limitResponse")
    lendable(given.lendablePercent, errors, f"{path}.lendablePercent")
    if given.borrowingLimitPercent is not None and given.borrowingLimitPercent < 0:
        text = "if specified, must be a non-negative integer"
        errors.append(invalid(f"{path}.borrowingLimitPercent", given.borrowingLimitPercent, text))


def limit_response(given: Any, errors: Errors, path: str) -> None:
    if given.type == "Reject":
        if given.queuing is not None:
            text = "must be nil if limited.limitResponse.type is not Limited"
            errors.append(forbidden(f"{path}.queuing", text))
    elif given.type == "Queue":
        if given.queuing is None:
            text = "must not be empty if limited.limitResponse.type is Limited"
            errors.append(required(f"{path}.queuing", text))
        else:
            queuing(given.queuing, errors, f"{path}.queuing")
    else:
        errors.append(not_supported(f"{path}.type", given.type or "", RESPONSES))


def queuing(given: Any, errors: Errors, path: str) -> None:
    for field in ("queueLengthLimit", "queues"):
        if (getattr(given, field) or 0) <= 0:
            errors.append(invalid(f"{path}.{field}", getattr(given, field) or 0, "must be positive"))
    hand, queues = given.handSize or 0, given.queues or 0
    if hand <= 0:
        errors.append(invalid(f"{path}.handSize", hand, "must be positive"))
    elif hand > queues:
        errors.append(invalid(f"{path}.handSize", hand, f"should not be greater than queues ({queues})"))


def update_level(new: Any, old: Any, errors: Errors) -> None:
    create_level(new, errors)


RULES: dict[str, Rule] = {
    "FlowSchema": Rule(create=create_schema, update=update_schema),
    "PriorityLevelConfiguration": Rule(create=create_level, update=update_level),
}
