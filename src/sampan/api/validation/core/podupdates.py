"""What of a pod may change, through the pod itself and through its ephemeral containers.

Source: API reference v1.36, "Pod update and replacement" (concepts, Pods); KEP-277, KEP-1287, KEP-3521.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api.validation.core import podannotations
from sampan.api.validation.core.context import Errors
from sampan.api.validation.core.podannotations import MIRROR
from sampan.api.validation.core.pods import pod_spec, tokens_need_account
from sampan.api.validation.differences import difference
from sampan.api.validation.numbers import LARGEST, between
from sampan.api.validation.problems import forbidden, invalid

FIXED = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
FREE = ("activeDeadlineSeconds", "tolerations", "schedulingGates", "serviceAccount", "serviceAccountName")


def update(new: Any, old: Any, errors: Errors) -> None:
    whole(new, errors)
    same_number = True
    for field in ("containers", "initContainers"):
        if len(getattr(new.spec, field) or ()) != len(getattr(old.spec, field) or ()):
            errors.append(forbidden(f"spec.{field}", "pod updates may not add or remove containers"))
            same_number = False
    if not same_number:
        return
    deadline(new.spec.activeDeadlineSeconds, old.spec.activeDeadlineSeconds, errors)
    added_tolerations(new.spec.tolerations or [], old.spec.tolerations or [], errors)
    removed_gates(new.spec.schedulingGates or [], old.spec.schedulingGates or [], errors)
    if old.spec.schedulingGates:
        narrowed(new.spec, old.spec, errors)
    if fixed_part(new.spec, old.spec) != fixed_part(old.spec, old.spec):
        errors.append(forbidden("spec", f"{FIXED}\n{difference(freed(new.spec, old.spec), old.spec)}"))


def whole(pod: Any, errors: Errors) -> None:
    """The pod by itself, which every change of its spec leaves in order."""
    if pod.metadata.annotations:
        podannotations.judge(pod.metadata.annotations, pod.spec, errors, "metadata.annotations")
    pod_spec(pod.spec, pod.metadata.name or "", errors, "spec")
    tokens_need_account(pod.spec, errors)


def deadline(new: int | None, old: int | None, errors: Errors) -> None:
    path = "spec.activeDeadlineSeconds"
    if new is not None:
        if not 0 <= new <= LARGEST:
            errors.append(invalid(path, new, between(0, LARGEST)))
        elif old is not None and new > old:
            errors.append(invalid(path, new, "must be less than or equal to previous value"))
    elif old is not None:
        errors.append(invalid(path, new, "must not update from a positive integer to nil value"))


def added_tolerations(new: Any, old: Any, errors: Errors) -> None:
    """What was tolerated stays tolerated, though for how long may change."""
    have = {(t.key, t.operator, t.value, t.effect) for t in new}
    if any((t.key, t.operator, t.value, t.effect) not in have for t in old):
        text = "existing toleration can not be modified except its tolerationSeconds"
        errors.append(forbidden("spec.tolerations", text))


def removed_gates(new: Any, old: Any, errors: Errors) -> None:
    known = {g.name for g in old}
    for index, gate in enumerate(new):
        if gate.name not in known:
            text = f"only deletion is allowed, but found new scheduling gate '{gate.name}'"
            errors.append(forbidden(f"spec.schedulingGates[{index}]", text))


def narrowed(new: Any, old: Any, errors: Errors) -> None:
    """While a pod waits at a gate, where it may run may be narrowed, not widened (KEP-3838)."""
    selector, before = new.nodeSelector or {}, old.nodeSelector or {}
    if any(selector.get(key) != value for key, value in before.items()):
        text = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        errors.append(invalid("spec.nodeSelector", selector, text))
    terms, had = required_terms(new), required_terms(old)
    path = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
    if had and len(terms) != len(had):
        text = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        errors.append(invalid(path, terms, text))
        return
    for index, (now, then) in enumerate(zip(terms, had, strict=False)):
        if not only_adds(now, then):
            text = "only additions are allowed (no mutations or deletions)"
            errors.append(invalid(f"{path}[{index}]", now, text))


def required_terms(spec: Any) -> list[Any]:
    """The terms one of which a node must match."""
    affinity = spec.affinity.nodeAffinity if spec.affinity is not None else None
    selector = affinity.requiredDuringSchedulingIgnoredDuringExecution if affinity is not None else None
    return list(selector.nodeSelectorTerms or ()) if selector is not None else []


def only_adds(new: Any, old: Any) -> bool:
    """Whether a term asks for all that it did. One that asks for nothing matches nothing, and stays so."""
    fields = ("matchExpressions", "matchFields")
    if not any(getattr(old, f) for f in fields):
        return not any(getattr(new, f) for f in fields)
    return all(each in (getattr(new, f) or ()) for f in fields for each in getattr(old, f) or ())


def fixed_part(spec: Any, old: Any) -> dict[str, Any]:
    """What an update must leave as it was. While a pod waits at a gate, which nodes it may run on is still open."""
    plain = msgspec.to_builtins(spec)
    for name in FREE:
        plain.pop(name, None)
    if old.schedulingGates:
        plain.pop("nodeSelector", None)
        affinity = plain.pop("affinity", None) or {}
        plain["affinity"] = {k: v for k, v in affinity.items() if k != "nodeAffinity"}
    for field in ("containers", "initContainers"):
        for container in plain.get(field) or ():
            container.pop("image", None)
    grace = spec.terminationGracePeriodSeconds
    if (old.terminationGracePeriodSeconds or 0) < 0 and grace in (1, old.terminationGracePeriodSeconds):
        plain.pop("terminationGracePeriodSeconds", None)
    return plain


def freed(spec: Any, old: Any) -> Any:
    """The new spec with what may change put back, so that a diff shows the rest."""
    kept = msgspec.convert(msgspec.to_builtins(spec), type(spec))
    for name in FREE:
        setattr(kept, name, getattr(old, name))
    for field in ("containers", "initContainers"):
        for now, before in zip(getattr(kept, field) or (), getattr(old, field) or (), strict=True):
            now.image = before.image
    return kept


def update_ephemeral_containers(new: Any, old: Any, errors: Errors) -> None:
    if MIRROR in (old.metadata.annotations or {}):
        errors.append(forbidden("", "static pods do not support ephemeral containers"))
        return
    whole(new, errors)
    now = {c.name: c for c in new.spec.ephemeralContainers or ()}
    for before in old.spec.ephemeralContainers or ():
        if before.name not in now:
            text = f'existing ephemeral containers "{before.name}" may not be removed'
            errors.append(forbidden("spec.ephemeralContainers", f"{text}\n"))
        elif now[before.name] != before:
            text = f'existing ephemeral containers "{before.name}" may not be changed'
            errors.append(forbidden("spec.ephemeralContainers", f"{text}\n{difference(now[before.name], before)}"))
