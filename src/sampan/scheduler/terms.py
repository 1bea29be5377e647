"""What a pod says about other pods: affinity terms and spread constraints, with their selectors ready to use.

`matchLabelKeys` and `mismatchLabelKeys` add the pod's own values of those labels to the selector (KEP-3243, KEP-3633);
a key the pod does not have is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sampan.api.selectors import Requirement, Selector, from_label_selector


@dataclass(frozen=True, slots=True)
class PodTerm:
    """Pods that `selector` matches in `namespaces` or in a namespace whose labels `namespace_selector` matches."""

    topology_key: str
    selector: Selector
    namespaces: frozenset[str]
    namespace_selector: Selector

    @classmethod
    def of(cls, pod: Any, term: Any) -> PodTerm:
        """From a `core_v1.PodAffinityTerm` of the pod; without any namespaces it means the pod's own."""
        named = frozenset(term.namespaces or ())
        if not named and term.namespaceSelector is None:
            named = frozenset((pod.metadata.namespace or "default",))
        return cls(
            term.topologyKey or "",
            with_label_keys(pod, term.labelSelector, term.matchLabelKeys, term.mismatchLabelKeys),
            named,
            from_label_selector(term.namespaceSelector),
        )


@dataclass(frozen=True, slots=True)
class SpreadConstraint:
    """`hard` is whenUnsatisfiable DoNotSchedule. `min_domains` is at least 1. With `of_owner` it counts the pods of the
    same controller in place of those that `selector` matches."""

    max_skew: int
    topology_key: str
    hard: bool
    selector: Selector
    min_domains: int
    honor_affinity: bool
    honor_taints: bool
    of_owner: bool = False


def pod_terms(pod: Any, affinity: Any) -> tuple[PodTerm, ...]:
    """The required terms of a `core_v1.PodAffinity` or `PodAntiAffinity`, or none."""
    required = affinity and affinity.requiredDuringSchedulingIgnoredDuringExecution
    return tuple(PodTerm.of(pod, term) for term in required or ())


def spread_constraints(pod: Any) -> tuple[SpreadConstraint, ...]:
    return tuple(
        SpreadConstraint(
            max_skew=c.maxSkew or 1,
            topology_key=c.topologyKey or "",
            hard=c.whenUnsatisfiable != "ScheduleAnyway",
            selector=with_label_keys(pod, c.labelSelector, c.matchLabelKeys),
            min_domains=c.minDomains or 1,
            honor_affinity=c.nodeAffinityPolicy != "Ignore",
            honor_taints=c.nodeTaintsPolicy == "Honor",
        )
        for c in pod.spec.topologySpreadConstraints or ()
    )


def with_label_keys(
    pod: Any, selector: Any, match: list[str] | None = None, mismatch: list[str] | None = None
) -> Selector:
    base = from_label_selector(selector)
    labels = pod.metadata.labels or {}
    same = [Requirement(key, "In", (labels[key],)) for key in match or () if key in labels]
    other = [Requirement(key, "NotIn", (labels[key],)) for key in mismatch or () if key in labels]
    more = [requirement for requirement in same + other if requirement not in base.requirements]
    return Selector((*base.requirements, *more), base.nothing) if more else base
