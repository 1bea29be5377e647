"""Which objects a quota concerns. Pure. Rules: "Resource Quotas", section "Quota scopes".

Scopes speak of pods, one of them (VolumeAttributesClass, KEP-3751) of claims; a quota with scopes counts nothing else.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sampan.api.selectors import Requirement
from sampan.api.strategy.qos import quality_of_service

CLAIMS = "VolumeAttributesClass"


class Scope(NamedTuple):
    """One scope, or one expression of a scope selector. Shown as upstream's messages show it."""

    name: str
    operator: str = "Exists"
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{{{self.name} {self.operator} [{' '.join(self.values)}]}}"


def of_quota(quota: Any) -> list[Scope]:
    """All scopes of a quota: an object must be in every one of them."""
    selector = quota.spec.scopeSelector
    found = [Scope(name) for name in quota.spec.scopes or ()]
    return found + [from_struct(one) for one in (selector.matchExpressions if selector else None) or ()]


def from_struct(requirement: Any) -> Scope:
    """From a ScopedResourceSelectorRequirement."""
    return Scope(requirement.scopeName, requirement.operator, tuple(requirement.values or ()))


def concerns(quota: Any, obj: Any, plural: str = "pods") -> bool:
    """Whether every scope of the quota takes in the object, a core resource named `plural` ("" for any other)."""
    return all(is_in(scope, obj, plural) for scope in of_quota(quota))


def is_in(scope: Scope, obj: Any, plural: str) -> bool:
    """Whether the scope takes the object in."""
    if plural == "persistentvolumeclaims":
        return scope.name == CLAIMS and _of_attributes_class(scope, obj)
    return plural == "pods" and scope.name != CLAIMS and _in_scope(scope.name, scope.operator, scope.values, obj)


def is_scoped(quota: Any) -> bool:
    """Whether the quota names any scope: such a quota counts pods, or claims, only."""
    selector = quota.spec.scopeSelector
    return bool(quota.spec.scopes or (selector and selector.matchExpressions))


def _of_attributes_class(scope: Scope, claim: Any) -> bool:
    """The class a claim wants, the one it has and the one it is on its way to all count."""
    names = {claim.spec.volumeAttributesClassName or ""}
    if claim.status is not None:
        modifying = claim.status.modifyVolumeStatus
        names.add(claim.status.currentVolumeAttributesClassName or "")
        names.add((modifying.targetVolumeAttributesClassName or "") if modifying is not None else "")
    requirement = Requirement(scope.name, scope.operator, scope.values)
    labels: list[dict[str, str]] = [{scope.name: name} for name in sorted(names) if name]
    return any(map(requirement.matches, labels or [{}]))


def _in_scope(scope: str, operator: str, values: tuple[str, ...], pod: Any) -> bool:
    if scope == "PriorityClass":
        labels = {scope: pod.spec.priorityClassName} if pod.spec.priorityClassName else {}
        return Requirement(scope, operator, values).matches(labels)
    return SCOPES.get(scope, lambda pod: False)(pod)


def _terminating(pod: Any) -> bool:
    return pod.spec.activeDeadlineSeconds is not None and pod.spec.activeDeadlineSeconds >= 0


def _best_effort(pod: Any) -> bool:
    return quality_of_service(pod.spec) == "BestEffort"


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
