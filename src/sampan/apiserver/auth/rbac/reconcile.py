"""Bringing a default role or binding up to date with this version's table. Pure.

Only adds: rules, labels and subjects somebody added stay; what somebody took away comes back. An object whose
annotation `rbac.authorization.kubernetes.io/autoupdate` is "false" is left alone.
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#auto-reconciliation
"""

from __future__ import annotations

from typing import Any

from sampan.apiserver.auth.rbac import escalation
from sampan.apiserver.auth.rbac.rule import from_struct

AUTO_UPDATE = "rbac.authorization.kubernetes.io/autoupdate"


def protected(present: Any) -> bool:
    """Whether the object asks to be left alone."""
    return (present.metadata.annotations or {}).get(AUTO_UPDATE) == "false"


def rebound(present: Any, wanted: Any) -> bool:
    """Whether a binding refers to another role, so that it must be made anew: a roleRef never changes."""
    return hasattr(wanted, "roleRef") and present.roleRef != wanted.roleRef


def bring_up(present: Any, wanted: Any) -> bool:
    """Adds to `present` what `wanted` has and it lacks; whether anything was."""
    changed = _add_pairs(present.metadata, wanted.metadata)
    if hasattr(wanted, "roleRef"):
        return _add_items(present, wanted, "subjects") or changed
    if getattr(wanted, "aggregationRule", None) is not None:
        return _add_selectors(present, wanted) or changed
    lacking = escalation.missing(map(from_struct, wanted.rules or ()), map(from_struct, present.rules or ()))
    if not lacking:
        return changed
    lost = {name for single in lacking for name in escalation.taken_apart(single)}
    added = [rule for rule in wanted.rules if lost & set(escalation.taken_apart(from_struct(rule)))]
    present.rules = [*(present.rules or ()), *(rule for rule in added if rule not in (present.rules or ()))]
    return True


def _add_pairs(present: Any, wanted: Any) -> bool:
    changed = False
    for field in ("labels", "annotations"):
        have, want = getattr(present, field) or {}, getattr(wanted, field) or {}
        if not want.items() <= have.items():
            setattr(present, field, {**have, **want})
            changed = True
    return changed


def _add_items(present: Any, wanted: Any, field: str) -> bool:
    have = getattr(present, field) or []
    added = [item for item in getattr(wanted, field) or () if item not in have]
    if added:
        setattr(present, field, [*have, *added])
    return bool(added)


def _add_selectors(present: Any, wanted: Any) -> bool:
    if present.aggregationRule is None:
        present.aggregationRule = wanted.aggregationRule
        return True
    return _add_items(present.aggregationRule, wanted.aggregationRule, "clusterRoleSelectors")
