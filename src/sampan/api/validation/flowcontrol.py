"""Rules of the flowcontrol.apiserver.k8s.io group. Source: API reference v1.36; KEP-1040."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from sampan.api.errors import FieldError
from sampan.api.names import label, subdomain
from sampan.api.validation.problems import (
    Shown,
    duplicate,
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

EVERYTHING: dict[str, Any] = {
    "resourceRules": [
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"]}
    ],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
}
"""What the two schemas and the level that every cluster must have match, and say."""
FIXED_SCHEMAS: dict[str, dict[str, Any]] = {
    "exempt": {
        "priorityLevelConfiguration": {"name": "exempt"},
        "matchingPrecedence": 1,
        "rules": [{"subjects": [{"kind": "Group", "group": {"name": "system:masters"}}], **EVERYTHING}],
    },
    "catch-all": {
        "priorityLevelConfiguration": {"name": "catch-all"},
        "matchingPrecedence": 10000,
        "distinguisherMethod": {"type": "ByUser"},
        "rules": [
            {
                "subjects": [
                    {"kind": "Group", "group": {"name": "system:unauthenticated"}},
                    {"kind": "Group", "group": {"name": "system:authenticated"}},
                ],
                **EVERYTHING,
            }
        ],
    },
}
FIXED_LEVEL: dict[str, Any] = {
    "type": "Limited",
    "limited": {"nominalConcurrencyShares": 5, "limitResponse": {"type": "Reject"}, "lendablePercent": 0},
}

DISTINGUISHERS = ("ByNamespace", "ByUser")
SUBJECTS = {"Group": "group", "ServiceAccount": "serviceAccount", "User": "user"}
VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
TYPES = ("Exempt", "Limited")
RESPONSES = ("Queue", "Reject")
LARGEST_PRECEDENCE = 10000
ALL = "*"
EXEMPT_NAME = "exempt"
CATCH_ALL = "catch-all"
MOST_QUEUES = 10_000_000
MOST_HASH_BITS = 60
ROUND_TRIP = "flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares"


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
    fixed = FIXED_SCHEMAS.get(obj.metadata.name)
    if fixed is not None and msgspec.to_builtins(spec) != fixed:
        errors.append(invalid("spec", spec, f"spec of '{obj.metadata.name}' must equal the fixed value"))


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
    verbs(rule.verbs, errors, f"{path}.verbs")
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
    verbs(rule.verbs, errors, f"{path}.verbs")
    urls = rule.nonResourceURLs or ()
    if not urls:
        errors.append(required(f"{path}.nonResourceURLs", "nonResourceURLs must contain at least one value"))
    elif ALL in urls:
        if len(urls) > 1:
            text = "if '*' is present, must not specify other non-resource URLs"
            errors.append(invalid(f"{path}.nonResourceURLs", list(urls), text))
    else:
        for index, url in enumerate(urls):
            if wrong := url_problem(url):
                errors.append(invalid(f"{path}.nonResourceURLs[{index}]", url, wrong))


def url_problem(url: str) -> str:
    """What is wrong with a path that is not a resource's; empty if nothing is."""
    if not url:
        return "must not be empty"
    if not url.startswith("/"):
        return "must start with slash"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    stars = url.count("*")
    return "wildcard can only do suffix matching" if stars > 1 or (stars and not url.endswith("/*")) else ""


def verbs(given: Any, errors: Errors, path: str) -> None:
    if not given:
        errors.append(required(path, "verbs must contain at least one value"))
    elif ALL in given:
        if len(given) > 1:
            errors.append(invalid(path, list(given), "if '*' is present, must not specify other verbs"))
    elif not set(given) <= set(VERBS):
        errors.append(not_supported(path, list(given), VERBS))


def wildcard(given: Any, field: str, missing: str, errors: Errors, path: str) -> None:
    if not given:
        errors.append(required(f"{path}.{field}", missing))
    elif ALL in given and len(given) > 1:
        noun = "api groups" if field == "apiGroups" else field
        errors.append(invalid(f"{path}.{field}", list(given), f"if '*' is present, must not specify other {noun}"))


def create_level(obj: Any, errors: Errors) -> None:
    spec, name = obj.spec, obj.metadata.name
    if ROUND_TRIP in (obj.metadata.annotations or ()):
        errors.append(forbidden("metadata.annotations", f"annotation '{ROUND_TRIP}' is forbidden"))
    if (spec.type == "Exempt") != (name == EXEMPT_NAME):
        errors.append(invalid("spec.type", spec.type or "", "type must be 'Exempt' if and only if name is 'exempt'"))
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
    else:
        errors.append(not_supported("spec.type", spec.type or "", TYPES))
    fixed_level(name, spec, errors)


def fixed_level(name: str, spec: Any, errors: Errors) -> None:
    if name == EXEMPT_NAME:
        if spec.type != "Exempt" or spec.limited is not None:
            text = f"spec of '{name}' except the 'spec.exempt' field must equal the fixed value"
            errors.append(invalid("spec", spec, text))
    elif name == CATCH_ALL and msgspec.to_builtins(spec) != FIXED_LEVEL:
        errors.append(invalid("spec", spec, f"spec of '{name}' must equal the fixed value"))


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
    length, queues, hand = given.queueLengthLimit or 0, given.queues or 0, given.handSize or 0
    if length <= 0:
        errors.append(invalid(f"{path}.queueLengthLimit", length, "must be positive"))
    if queues <= 0:
        errors.append(invalid(f"{path}.queues", queues, "must be positive"))
    elif queues > MOST_QUEUES:
        errors.append(invalid(f"{path}.queues", queues, f"must not be greater than {MOST_QUEUES}"))
    if hand <= 0:
        errors.append(invalid(f"{path}.handSize", hand, "must be positive"))
    elif hand > queues:
        errors.append(invalid(f"{path}.handSize", hand, f"should not be greater than queues ({queues})"))
    elif math.ceil(math.log2(queues) * hand) > MOST_HASH_BITS:
        bits = f"required entropy bits of deckSize {queues} and handSize {hand}"
        text = f"{bits} should not be greater than {MOST_HASH_BITS}"
        errors.append(invalid(f"{path}.handSize", hand, text))


def update_level(new: Any, old: Any, errors: Errors) -> None:
    create_level(new, errors)


def update_status(new: Any, old: Any, errors: Errors) -> None:
    """Each type of condition has a name, and is there once."""
    seen: set[str] = set()
    for index, each in enumerate(new.status.conditions or ()):
        path, kind = f"status.conditions[{index}].type", each.type or ""
        if kind in seen:
            errors.append(duplicate(path, kind))
        seen.add(kind)
        if not kind:
            errors.append(required(path, "must not be empty"))


RULES: dict[str, Rule] = {
    "FlowSchema": Rule(create=create_schema, update=update_schema, subresources={"status": update_status}),
    "PriorityLevelConfiguration": Rule(
        create=create_level, update=update_level, subresources={"status": update_status}
    ),
}
