"""Whether a pod may be on a node, by what its spec says of nodes: pure. ("Assigning Pods to Nodes", "Taints and
Tolerations" in upstream's docs.)

The scheduler's plugins ask the same of all nodes at once, from columns; this is for who has one node in hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sampan.api.selectors import Requirement


def selected(spec: Any, node: Any) -> bool:
    """Whether the node has the labels and the affinity that a pod's spec requires."""
    labels = node.metadata.labels or {}
    if not (spec.nodeSelector or {}).items() <= labels.items():
        return False
    affinity = spec.affinity.nodeAffinity if spec.affinity else None
    required = affinity.requiredDuringSchedulingIgnoredDuringExecution if affinity else None
    return required is None or any_term(required.nodeSelectorTerms, labels, {"metadata.name": node.metadata.name})


def any_term(terms: Sequence[Any] | None, labels: Mapping[str, str], fields: Mapping[str, str]) -> bool:
    """Whether one of a NodeSelector's terms holds."""
    return any(term_holds(term, labels, fields) for term in terms or ())


def term_holds(term: Any, labels: Mapping[str, str], fields: Mapping[str, str]) -> bool:
    """A term without any expression matches nothing."""
    if not term.matchExpressions and not term.matchFields:
        return False
    return all_hold(term.matchExpressions, labels) and all_hold(term.matchFields, fields)


def all_hold(expressions: Sequence[Any] | None, values: Mapping[str, str]) -> bool:
    return all(Requirement(e.key, e.operator, tuple(e.values or ())).matches(values) for e in expressions or ())


def tolerates(toleration: Any, taint: Any) -> bool:
    """Whether one toleration matches one taint."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if (toleration.operator or "Equal") == "Exists":
        return True
    return bool(toleration.key) and (toleration.value or "") == (taint.value or "")


def driven_off(tolerations: Sequence[Any] | None, taints: Sequence[Any] | None, effect: str) -> bool:
    """Whether some taint of that effect is not tolerated."""
    return any(
        taint.effect == effect and not any(tolerates(toleration, taint) for toleration in tolerations or ())
        for taint in taints or ()
    )
