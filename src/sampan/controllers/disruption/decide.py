"""How many pods of a PodDisruptionBudget may be taken away now. Pure.

A budget given in pods counts the pods there are; one given in percent, or as `maxUnavailable`, counts
those that the pods' controllers want. A pod whose eviction was granted counts as lost until it goes, for at most two
minutes. Rules: "Specifying a Disruption Budget", policy/v1 API reference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from sampan.aio.clock import parse_timestamp
from sampan.api.kinds import meta_v1, policy_v1
from sampan.controllers import conditions
from sampan.controllers.ownership import controller_of
from sampan.controllers.pods import ENDED, condition, is_ready, phase

GRANTED_SECONDS = 120.0
UNMANAGED = (
    "Pods selected by this PodDisruptionBudget (selector: {}) were found to be unmanaged. As a result, the status of "
    "the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please "
    'set ".spec.minAvailable" field of the PDB to an integer value.'
)


ScaleOf = Callable[[Any], tuple[str, int]]
"""From a controlling reference to the uid of who decides and the number of pods it wants; may raise NoScale."""


class NoScale(Exception):
    """A pod's controller does not say how many pods it wants; the message names it."""


@dataclass(frozen=True)
class Assessment:
    """The status, and seconds until a granted eviction that was not used runs out."""

    status: Any
    look_again: float | None = None
    told: Sequence[tuple[str, str, str]] = ()
    """Events about the budget: type, reason, message."""
    overdue: Sequence[Any] = ()
    """Pods whose eviction was granted and that are still there."""


def assess(budget: Any, pods: Sequence[Any], scale_of: ScaleOf, now: float) -> Assessment:
    """The budget's status for its pods; seconds and epoch seconds throughout."""
    granted, overdue, look_again = _still_granted(budget, {pod.metadata.name: pod for pod in pods}, now)
    notes = [] if pods else [("Normal", "NoPods", "No matching pods found")]
    healthy = sum(
        is_ready(pod) and pod.metadata.deletionTimestamp is None and pod.metadata.name not in granted for pod in pods
    )
    before = budget.status or policy_v1.PodDisruptionBudgetStatus()
    try:
        expected, desired = _needs(budget, pods, scale_of)
        allowed = max(0, healthy - desired) if expected > 0 else 0
        told = ("True", "SufficientPods", "") if allowed else ("False", "InsufficientPods", "")
        if not isinstance(budget.spec.minAvailable, int) and any(controller_of(pod) is None for pod in pods):
            notes.append(("Warning", "UnmanagedPods", UNMANAGED.format(_printed(budget.spec.selector))))
    except NoScale as error:
        expected, desired, allowed = before.expectedPods or 0, before.desiredHealthy or 0, 0
        told = ("False", "SyncFailed", str(error))
        message = f"Failed to calculate the number of expected pods: {error}"
        notes.append(("Warning", "CalculateExpectedPodCountFailed", message))
    listed = conditions.put(before.conditions, meta_v1.Condition, "DisruptionAllowed", *told, now)
    generation = budget.metadata.generation
    listed = [msgspec.structs.replace(one, observedGeneration=generation) for one in listed]
    status = policy_v1.PodDisruptionBudgetStatus(
        currentHealthy=healthy,
        desiredHealthy=desired,
        expectedPods=expected,
        disruptionsAllowed=allowed,
        disruptedPods=granted or None,
        observedGeneration=generation,
        conditions=listed,
    )
    return Assessment(status, look_again, notes, overdue)


def _printed(selector: Any) -> str:
    """A label selector as upstream's messages print it."""
    labels = "".join(f"{key}: {value}," for key, value in sorted(((selector and selector.matchLabels) or {}).items()))
    rules = "".join(
        f"LabelSelectorRequirement{{Key:{rule.key},Operator:{rule.operator},Values:[{' '.join(rule.values or ())}],}},"
        for rule in (selector and selector.matchExpressions) or ()
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{rules}}},}}"
    )


def _still_granted(budget: Any, pods: dict[str, Any], now: float) -> tuple[dict[str, str], list[Any], float | None]:
    """The evictions granted and not carried out yet, pods of those that ran out, seconds until the next one does."""
    listed = (budget.status.disruptedPods if budget.status else None) or {}
    kept: dict[str, str] = {}
    overdue = []
    waits = []
    for name, since in listed.items():
        left = parse_timestamp(since) + GRANTED_SECONDS - now
        pod = pods.get(name)
        if pod is None or pod.metadata.deletionTimestamp is not None:
            continue
        if left > 0:
            kept[name] = since
            waits.append(left)
        else:
            overdue.append(pod)
    return kept, overdue, min(waits, default=None)


def _needs(budget: Any, pods: Sequence[Any], scale_of: ScaleOf) -> tuple[int, int]:
    """How many pods there should be and how many of them must stay healthy."""
    spec = budget.spec
    if isinstance(spec.minAvailable, int):
        return len(pods), spec.minAvailable
    expected = _wanted(pods, scale_of)
    if spec.minAvailable is not None:
        return expected, _scaled(spec.minAvailable, expected)
    if spec.maxUnavailable is not None:
        return expected, max(0, expected - _scaled(spec.maxUnavailable, expected))
    return expected, expected


def _wanted(pods: Sequence[Any], scale_of: ScaleOf) -> int:
    """The pods that the controllers of these pods want together; pods without one are not counted."""
    references = {reference.uid: reference for pod in pods if (reference := controller_of(pod)) is not None}
    return sum(dict(map(scale_of, references.values())).values())


def _scaled(value: int | str, total: int) -> int:
    return value if isinstance(value, int) else math.ceil(float(value.rstrip("%")) * total / 100)


def calm_in(pod: Any, now: float) -> float | None:
    """Seconds until the pod's DisruptionTarget condition is stale; None for a pod that has none or is on its way. What
    a kubelet ends may take its time."""
    told = condition(pod, "DisruptionTarget")
    going = pod.metadata.deletionTimestamp is not None or phase(pod) in ENDED
    if told is None or told.status != "True" or told.reason == "TerminationByKubelet" or going:
        return None
    return max(0.0, parse_timestamp(told.lastTransitionTime) + GRANTED_SECONDS - now)
