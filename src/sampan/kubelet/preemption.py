"""Which pods make room for a critical one that the node has no room for: pure. (upstream's kubelet/preemption)

As few as will do, BestEffort ones before Burstable ones before Guaranteed ones, and among those of one class the ones
that come closest to what is missing. Critical pods never go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sampan.kubelet.amounts import pod_amounts
from sampan.kubelet.eviction.ranking import is_critical
from sampan.kubelet.qos import qos_class

REASON = "Preempting"
MESSAGE = "Preempted in order to admit critical pod"
DISRUPTION = "TerminationByKubelet"
DEAREST_FIRST = ("Guaranteed", "Burstable", "BestEffort")
Needs = Mapping[str, int]
"""How much is missing, by resource: millicores of cpu, else the resource's unit."""


def victims(pods: Iterable[Any], missing: Needs) -> list[Any] | None:
    """None when no set of them gives back what is missing."""
    by_class = {
        name: [pod for pod in pods if not is_critical(pod) and qos_class(pod) == name] for name in DEAREST_FIRST
    }
    chosen: list[Any] = []
    for index, name in enumerate(DEAREST_FIRST):
        # Of the dear ones only what is still missing when all the cheaper ones are gone.
        cheaper = [pod for other in DEAREST_FIRST[index + 1 :] for pod in by_class[other]]
        found = closest(by_class[name], without(missing, [*cheaper, *chosen]))
        if found is None:
            return None
        chosen += found
    return chosen


def closest(pods: Sequence[Any], missing: Needs) -> list[Any] | None:
    """Takes one after the other, each time the one that leaves least missing, until nothing is."""
    left, chosen = list(pods), []
    while missing:
        if not left:
            return None
        best = min(left, key=lambda pod: (distance(pod, missing), given(pod, "memory"), given(pod, "cpu")))
        left.remove(best)
        chosen.append(best)
        missing = without(missing, [best])
    return chosen


def distance(pod: Any, missing: Needs) -> float:
    """From 0, when the pod alone would do, to the number of resources that are missing."""
    return sum(max((amount - given(pod, name)) / amount, 0.0) ** 2 for name, amount in missing.items())


def without(missing: Needs, pods: Sequence[Any]) -> dict[str, int]:
    left = {name: amount - sum(given(pod, name) for pod in pods) for name, amount in missing.items()}
    return {name: amount for name, amount in left.items() if amount > 0}


def given(pod: Any, resource: str) -> int:
    """What its end gives back."""
    if resource == "pods":
        return 1
    amount = pod_amounts(pod, "requests").get(resource)
    if amount is None:
        return 0
    return amount.milli if resource == "cpu" else amount.units
