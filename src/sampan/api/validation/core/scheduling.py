"""Rules for where a pod may run: affinity, tolerations, topology spread, gates.

Source: API reference v1.36, PodSpec.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sampan.api.names import label, label_value, qualified
from sampan.api.validation.core.context import Errors
from sampan.api.validation.problems import duplicate, each_invalid, forbidden, invalid, not_supported, required
from sampan.api.validation.selectors import label_selector, node_selector, node_selector_term

UNSATISFIABLE = ("DoNotSchedule", "ScheduleAnyway")
TOLERATION_OPERATORS = ("Equal", "Exists")
TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
INCLUSION = ("Honor", "Ignore")
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
IN_BOTH = "exists in both matchLabelKeys and labelSelector"
MATCH_ALL = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'


def affinity(given: Any, errors: Errors, path: str) -> None:
    if given.nodeAffinity is not None:
        node_affinity(given.nodeAffinity, errors, f"{path}.nodeAffinity")
    if given.podAffinity is not None:
        pod_affinity(given.podAffinity, errors, f"{path}.podAffinity")
    if given.podAntiAffinity is not None:
        pod_affinity(given.podAntiAffinity, errors, f"{path}.podAntiAffinity")


def node_affinity(given: Any, errors: Errors, path: str) -> None:
    if given.requiredDuringSchedulingIgnoredDuringExecution is not None:
        node_selector(given.requiredDuringSchedulingIgnoredDuringExecution, errors, f"{path}.{REQUIRED}")
    for index, term in enumerate(given.preferredDuringSchedulingIgnoredDuringExecution or ()):
        here = f"{path}.{PREFERRED}[{index}]"
        weight(term.weight, errors, here)
        node_selector_term(term.preference, errors, f"{here}.preference")


def weight(value: int | None, errors: Errors, path: str) -> None:
    if not value or not 1 <= value <= 100:
        errors.append(invalid(f"{path}.weight", value or 0, "must be in the range 1-100"))


def pod_affinity(given: Any, errors: Errors, path: str) -> None:
    for index, term in enumerate(given.requiredDuringSchedulingIgnoredDuringExecution or ()):
        pod_affinity_term(term, errors, f"{path}.{REQUIRED}[{index}]")
    for index, weighted in enumerate(given.preferredDuringSchedulingIgnoredDuringExecution or ()):
        here = f"{path}.{PREFERRED}[{index}]"
        weight(weighted.weight, errors, here)
        pod_affinity_term(weighted.podAffinityTerm, errors, f"{here}.podAffinityTerm")


def pod_affinity_term(term: Any, errors: Errors, path: str) -> None:
    label_selector(term.labelSelector, errors, f"{path}.labelSelector")
    label_selector(term.namespaceSelector, errors, f"{path}.namespaceSelector")
    for name in term.namespaces or ():
        errors.extend(each_invalid(f"{path}.namespace", name, label(name)))
    match_label_keys(term, errors, path)
    if not term.topologyKey:
        errors.append(required(f"{path}.topologyKey", "can not be empty"))
    errors.extend(each_invalid(f"{path}.topologyKey", term.topologyKey or "", qualified(term.topologyKey or "")))


def match_label_keys(term: Any, errors: Errors, path: str) -> None:
    """Keys whose value is taken from the pod itself (KEP-3633)."""
    keys, others, selector = term.matchLabelKeys or (), term.mismatchLabelKeys or (), term.labelSelector
    label_keys(keys, selector, errors, f"{path}.matchLabelKeys")
    label_keys(others, selector, errors, f"{path}.mismatchLabelKeys")
    errors.extend(invalid(f"{path}[{index}]", key, IN_BOTH) for index, key in selected_twice(keys, selector))
    for index, key in enumerate(keys):
        if key in others:
            text = "exists in both matchLabelKeys and mismatchLabelKeys"
            errors.append(invalid(f"{path}.matchLabelKeys[{index}]", key, text))


def label_keys(keys: Any, selector: Any, errors: Errors, path: str) -> None:
    if keys and selector is None:
        errors.append(forbidden(path, "must not be specified when labelSelector is not set"))
        return
    for index, key in enumerate(keys):
        errors.extend(each_invalid(f"{path}[{index}]", key, qualified(key)))


def selected_twice(keys: Any, selector: Any) -> Iterator[tuple[int, str]]:
    """Keys (with their index) that the selector selects by, not counting what they themselves were made into there:
    see `strategy.podcreation`."""
    if not keys or selector is None:
        return
    seen = set(selector.matchLabels or ())
    for requirement in selector.matchExpressions or ():
        if requirement.key in keys and requirement.key in seen:
            yield len(keys) - 1 - list(reversed(keys)).index(requirement.key), requirement.key
        seen.add(requirement.key)


def tolerations(given: Any, errors: Errors, path: str) -> None:
    for index, each in enumerate(given):
        toleration(each, errors, f"{path}[{index}]")


def toleration(each: Any, errors: Errors, path: str) -> None:
    operator, effect = each.operator or "", each.effect or ""
    if each.key:
        errors.extend(each_invalid(f"{path}.key", each.key, qualified(each.key)))
    elif operator != "Exists":
        errors.append(invalid(f"{path}.operator", operator, MATCH_ALL))
    if each.tolerationSeconds is not None and effect != "NoExecute":
        text = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        errors.append(invalid(f"{path}.effect", effect, text))
    if operator in ("", "Equal"):
        if wrong := label_value(each.value or ""):
            errors.append(invalid(f"{path}.operator", each.value, ";".join(wrong)))
    elif operator == "Exists":
        if each.value:
            errors.append(invalid(f"{path}.operator", each, "value must be empty when `operator` is 'Exists'"))
    else:
        errors.append(not_supported(f"{path}.operator", operator, TOLERATION_OPERATORS))
    if effect and effect not in TAINT_EFFECTS:
        errors.append(not_supported(f"{path}.effect", effect, TAINT_EFFECTS))


def spread_constraints(given: Any, errors: Errors, path: str) -> None:
    for index, constraint in enumerate(given):
        here = f"{path}[{index}]"
        if (constraint.maxSkew or 0) <= 0:
            errors.append(invalid(f"{here}.maxSkew", constraint.maxSkew or 0, "must be greater than zero"))
        if not constraint.topologyKey:
            errors.append(required(f"{here}.topologyKey", "can not be empty"))
        when = constraint.whenUnsatisfiable or ""
        if when not in UNSATISFIABLE:
            errors.append(not_supported(f"{here}.whenUnsatisfiable", when, UNSATISFIABLE))
        pair = (constraint.topologyKey, constraint.whenUnsatisfiable)
        if any((c.topologyKey, c.whenUnsatisfiable) == pair for c in given[index + 1 :]):
            shown = f"{{{constraint.topologyKey or ''}, {when}}}"
            errors.append(duplicate(f"{here}.{{topologyKey, whenUnsatisfiable}}", shown))
        spread_details(constraint, when, errors, here)


def spread_details(constraint: Any, when: str, errors: Errors, path: str) -> None:
    domains = constraint.minDomains
    if domains is not None:
        if domains <= 0:
            errors.append(invalid(f"{path}.minDomains", domains, "must be greater than zero"))
        if when != "DoNotSchedule":
            text = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {when}"
            errors.append(invalid(f"{path}.minDomains", domains, text))
    for name in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
        value = getattr(constraint, name)
        if value is not None and value not in INCLUSION:
            errors.append(not_supported(f"{path}.{name}", value, INCLUSION))
    selector, keys, here = constraint.labelSelector, constraint.matchLabelKeys or (), f"{path}.matchLabelKeys"
    label_keys(keys, selector, errors, here)
    errors.extend(invalid(f"{here}[{index}]", key, IN_BOTH) for index, key in selected_twice(keys, selector))
    label_selector(selector, errors, f"{path}.labelSelector")


def readiness_gates(given: Any, errors: Errors, path: str) -> None:
    for index, gate in enumerate(given):
        kind = gate.conditionType or ""
        errors.extend(each_invalid(f"{path}[{index}].conditionType", kind, qualified(kind)))


def scheduling_gates(given: Any, errors: Errors, path: str) -> None:
    seen: set[str] = set()
    for index, gate in enumerate(given):
        name = gate.name or ""
        errors.extend(each_invalid(f"{path}[{index}].name", name, qualified(name)))
        if name in seen:
            errors.append(duplicate(f"{path}[{index}]", name))
        seen.add(name)
