"""Nobody may grant more than they hold: which of a role's rules its author's own rules do not cover. Pure.

Rules are taken apart into single permissions (one verb on one resource of one group, perhaps one name; or one verb on
one path), and each must be covered by one rule of the author's.
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from sampan.apiserver.auth.rbac.rule import ALL, PolicyRule
from sampan.apiserver.auth.user import User

EVERYTHING = (
    PolicyRule(verbs=(ALL,), apiGroups=(ALL,), resources=(ALL,)),
    PolicyRule(verbs=(ALL,), paths=(ALL,)),
)


def missing(wanted: Iterable[PolicyRule], held: Iterable[PolicyRule]) -> list[PolicyRule]:
    """The single permissions of `wanted` that no rule of `held` covers."""
    owned = list(held)
    return [single for rule in wanted for single in taken_apart(rule) if not any(covers(one, single) for one in owned)]


def taken_apart(rule: PolicyRule) -> Iterator[PolicyRule]:
    """A rule as permissions of one verb on one thing each."""
    for verb in rule.verbs or ():
        for group in rule.apiGroups or ():
            for resource in rule.resources or ():
                for name in rule.names or (None,):
                    yield PolicyRule((verb,), (group,), (resource,), None if name is None else (name,))
        for path in rule.paths or ():
            yield PolicyRule((verb,), paths=(path,))


def covers(rule: PolicyRule, single: PolicyRule) -> bool:
    """Whether a rule takes in a single permission."""
    if not _has(rule.verbs, single.verbs):
        return False
    if single.paths:
        path = single.paths[0]
        return any(path == own or (own.endswith(ALL) and path.startswith(own.rstrip(ALL))) for own in rule.paths or ())
    return _has(rule.apiGroups, single.apiGroups) and _covers_resource(rule, single) and _covers_name(rule, single)


def _has(values: tuple[str, ...] | None, wanted: tuple[str, ...] | None) -> bool:
    return bool(values) and (ALL in values or (wanted or ("",))[0] in values)  # type: ignore[operator]


def _covers_resource(rule: PolicyRule, single: PolicyRule) -> bool:
    if _has(rule.resources, single.resources):
        return True
    _, slash, subresource = (single.resources or ("",))[0].partition("/")
    return bool(slash) and f"*/{subresource}" in (rule.resources or ())


def _covers_name(rule: PolicyRule, single: PolicyRule) -> bool:
    if not rule.names:
        return True
    return single.names is not None and single.names[0] in rule.names


def refusal(user: User, lacking: list[PolicyRule]) -> str:
    """Upstream's words, with the lacking permissions told shortly."""
    groups = " ".join(json.dumps(group) for group in user.groups)
    shown = "\n".join(sorted({told(rule) for rule in compacted(lacking)}))
    return (
        f'user "{user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not currently held:\n{shown}'
    )


def compacted(singles: list[PolicyRule]) -> list[PolicyRule]:
    """Permissions that differ only in their verb as one rule."""
    merged: dict[tuple[object, ...], PolicyRule] = {}
    for single in singles:
        key = (single.apiGroups, single.resources, single.names, single.paths)
        known = merged.get(key)
        verbs = tuple(dict.fromkeys((*(known.verbs or ()), *(single.verbs or ())))) if known else single.verbs
        merged[key] = PolicyRule(verbs, single.apiGroups, single.resources, single.names, single.paths)
    return list(merged.values())


def told(rule: PolicyRule) -> str:
    """A rule in upstream's short form."""
    fields = (
        ("APIGroups", rule.apiGroups),
        ("Resources", rule.resources),
        ("NonResourceURLs", rule.paths),
        ("ResourceNames", rule.names),
        ("Verbs", rule.verbs),
    )
    return "{" + ", ".join(f"{name}:[{' '.join(map(json.dumps, values))}]" for name, values in fields if values) + "}"
