"""Pod disruption budgets, as far as preemption heeds them: how many more pods of a set may be disturbed.

Preemption prefers victims whose budget allows it and takes others only when there is no other way (API reference,
PodDisruptionBudget; "Pod Priority and Preemption").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sampan.api.selectors import Selector, from_label_selector
from sampan.scheduler.records import PodRecord


@dataclass(frozen=True, slots=True)
class Budget:
    """`allowed` pods may be disturbed; those in `disturbed` (names) are counted already."""

    namespace: str
    selector: Selector
    allowed: int
    disturbed: frozenset[str]

    @classmethod
    def of(cls, budget: Any) -> Budget:
        """From a `policy_v1.PodDisruptionBudget`."""
        status = budget.status
        return cls(
            budget.metadata.namespace or "",
            from_label_selector(budget.spec and budget.spec.selector),
            (status and status.disruptionsAllowed) or 0,
            frozenset((status and status.disruptedPods) or ()),
        )

    def covers(self, pod: PodRecord) -> bool:
        labels = pod.identity.labels
        return pod.namespace == self.namespace and bool(labels) and self.selector.matches(labels)


def violations(pods: Iterable[PodRecord], budgets: Sequence[Budget]) -> set[str]:
    """The uids of those pods that, disturbed in this order, would exceed a budget."""
    if not budgets:
        return set()
    left = [budget.allowed for budget in budgets]
    found = set()
    for pod in pods:
        for place, budget in enumerate(budgets):
            if budget.covers(pod) and pod.name not in budget.disturbed:
                left[place] -= 1
                if left[place] < 0:
                    found.add(pod.uid)
    return found
