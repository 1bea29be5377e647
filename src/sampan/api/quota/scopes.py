"""Which pods a quota concerns. Pure. Rules: "Resource Quotas", section "Quota scopes"."""

from __future__ import annotations

from typing import Any

from sampan.api.selectors import Requirement


def concerns(quota: Any, pod: Any) -> bool:
    """Whether every scope of the quota takes the pod in."""
    selector = quota.spec.scopeSelector
    plain = all(_in_scope(scope, "Exists", (), pod) for scope in quota.spec.scopes or ())
    return plain and all(
        _in_scope(one.scopeName, one.operator, tuple(one.values or ()), pod)
        for one in (selector.matchExpressions if selector else None) or ()
    )


def is_scoped(quota: Any) -> bool:
    """Whether the quota names any scope: such a quota counts pods only."""
    selector = quota.spec.scopeSelector
    return bool(quota.spec.scopes or (selector and selector.matchExpressions))


def _in_scope(scope: str, operator: str, values: tuple[str, ...], pod: Any) -> bool:
    if scope == "PriorityClass":
        labels = {scope: pod.spec.priorityClassName} if pod.spec.priorityClassName else {}
        return Requirement(scope, operator, values).matches(labels)
    return SCOPES.get(scope, lambda pod: False)(pod)


def _terminating(pod: Any) -> bool:
    return pod.spec.activeDeadlineSeconds is not None and pod.spec.activeDeadlineSeconds >= 0


def _best_effort(pod: Any) -> bool:
    containers = [*(pod.spec.containers or ()), *(pod.spec.initContainers or ())]
    asked = (
        name
        for one in containers
        if one.resources is not None
        for amounts in (one.resources.requests, one.resources.limits)
        for name in amounts or ()
    )
    return not any(name in ("cpu", "memory") for name in asked)


def _crosses_namespaces(pod: Any) -> bool:
    affinity = pod.spec.affinity
    for side in (affinity.podAffinity, affinity.podAntiAffinity) if affinity else ():
        if side is None:
            continue
        terms = list(side.requiredDuringSchedulingIgnoredDuringExecution or ())
        terms += [one.podAffinityTerm for one in side.preferredDuringSchedulingIgnoredDuringExecution or () if one]
        if any(term.namespaces or term.namespaceSelector is not None for term in terms):
            return True
    return False


SCOPES = {
    "Terminating": _terminating,
    "NotTerminating": lambda pod: not _terminating(pod),
    "BestEffort": _best_effort,
    "NotBestEffort": lambda pod: not _best_effort(pod),
    "CrossNamespacePodAffinity": _crosses_namespaces,
}
