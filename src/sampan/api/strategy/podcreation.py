"""What a new pod gets besides its defaults: what its labels and annotations imply, and why it waits.

Sources: KEP-3521 (scheduling gates), KEP-3633 and KEP-3243 (matchLabelKeys), KEP-24 (AppArmor).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sampan.api.kinds import core_v1, meta_v1

GATED = "Scheduling is blocked due to non-empty scheduling gates"
APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
APP_ARMOR_TYPES = {"runtime/default": "RuntimeDefault", "unconfined": "Unconfined"}
LOCALHOST = "localhost/"
CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
TERMS = ("preferredDuringSchedulingIgnoredDuringExecution", "requiredDuringSchedulingIgnoredDuringExecution")


def complete(o: Any) -> None:
    """Fills in, in place, what follows from what the pod says. Its status has been begun."""
    spec = o.spec
    if spec.schedulingGates:
        wait(o.status, o.metadata.creationTimestamp)
    if spec.affinity is not None or spec.topologySpreadConstraints:
        labels = o.metadata.labels or {}
        for each in (*affinity_terms(spec.affinity), *(spec.topologySpreadConstraints or ())):
            match_labels(each, labels)
    if o.metadata.annotations:
        confine(spec, o.metadata.annotations)


def wait(status: Any, now: str | None) -> None:
    """The condition of a pod that waits at a gate."""
    condition = core_v1.PodCondition(
        type="PodScheduled", status="False", reason="SchedulingGated", message=GATED, lastTransitionTime=now
    )
    status.conditions = [condition]


def affinity_terms(affinity: Any) -> Iterator[Any]:
    """The terms of pod affinity and anti-affinity."""
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = getattr(affinity, kind, None)
        for name in TERMS if rules is not None else ():
            for term in getattr(rules, name) or ():
                inner = getattr(term, "podAffinityTerm", term)
                if inner is not None:
                    yield inner


def match_labels(each: Any, labels: dict[str, str]) -> None:
    """Keys whose values a pod shares (or does not) with those it is near to become part of the selector."""
    selector = each.labelSelector
    if selector is None:
        return
    for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
        for key in getattr(each, field, None) or ():
            if key in labels:
                added = meta_v1.LabelSelectorRequirement(key=key, operator=operator, values=[labels[key]])
                selector.matchExpressions = [*(selector.matchExpressions or ()), added]


def confine(spec: Any, annotations: dict[str, str]) -> None:
    """Profiles that annotations name, as before v1.30, where the container's own field is silent."""
    if (spec.os is not None and spec.os.name == "windows") or not any(a.startswith(APP_ARMOR) for a in annotations):
        return
    whole = spec.securityContext.appArmorProfile if spec.securityContext is not None else None
    for container in (c for name in CONTAINERS for c in getattr(spec, name) or ()):
        made = profile(annotations.get(f"{APP_ARMOR}{container.name}"))
        context = container.securityContext
        if made is None or made == whole or (context is not None and context.appArmorProfile is not None):
            continue
        container.securityContext = context if context is not None else core_v1.SecurityContext()
        container.securityContext.appArmorProfile = made


def profile(text: str | None) -> Any:
    """An annotation's value as a profile, None for one that says nothing."""
    if text in APP_ARMOR_TYPES:
        return core_v1.AppArmorProfile(type=APP_ARMOR_TYPES[text or ""])
    if text is not None and text.startswith(LOCALHOST) and text[len(LOCALHOST) :].strip():
        return core_v1.AppArmorProfile(type="Localhost", localhostProfile=text[len(LOCALHOST) :])
    return None
