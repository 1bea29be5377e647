"""Which nodes a daemon pod belongs on. Pure.

The node must have the name, labels and affinity the template asks for, and no taint the pod does not tolerate. Daemon
pods tolerate a node's troubles by themselves (DaemonSet concepts page, "Taints and tolerations"). The scheduler binds
them: each pod asks for its node by an affinity for the node's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from sampan.api.kinds import core_v1
from sampan.api.nodefit import selected, tolerates

TROUBLES = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
HOST_NETWORK_TROUBLE = ("node.kubernetes.io/network-unavailable", "NoSchedule")


def tolerations(spec: Any) -> list[Any]:
    """The pod's own tolerations and those every daemon pod has."""
    troubles = [*TROUBLES, *([HOST_NETWORK_TROUBLE] if spec.hostNetwork else [])]
    made = [core_v1.Toleration(key=key, operator="Exists", effect=effect) for key, effect in troubles]
    own = list(spec.tolerations or ())
    return own + [toleration for toleration in made if toleration not in own]


def fits(spec: Any, node: Any) -> tuple[bool, bool]:
    """Whether a daemon pod of that spec should be started on the node, and whether one there should be kept."""
    if spec.nodeName and spec.nodeName != node.metadata.name:
        return False, False
    if not selected(spec, node):
        return False, False
    refused = _refused(tolerations(spec), node.spec.taints if node.spec else None)
    return not refused, "NoExecute" not in refused


def _refused(allowed: Sequence[Any], taints: Sequence[Any] | None) -> set[str]:
    """The effects of the taints that no toleration matches; PreferNoSchedule refuses nothing."""
    return {
        taint.effect
        for taint in taints or ()
        if taint.effect != "PreferNoSchedule" and not any(tolerates(toleration, taint) for toleration in allowed)
    }


def pinned(spec: Any, node_name: str) -> Any:
    """The spec with an affinity for that one node, in place of any node names its terms ask for."""
    wanted = core_v1.NodeSelectorRequirement(key="metadata.name", operator="In", values=[node_name])
    affinity = spec.affinity or core_v1.Affinity()
    node_affinity = affinity.nodeAffinity or core_v1.NodeAffinity()
    required = node_affinity.requiredDuringSchedulingIgnoredDuringExecution
    terms = (required.nodeSelectorTerms if required else None) or [core_v1.NodeSelectorTerm()]
    pinned_terms = [msgspec.structs.replace(term, matchFields=[wanted]) for term in terms]
    node_affinity = msgspec.structs.replace(
        node_affinity,
        requiredDuringSchedulingIgnoredDuringExecution=core_v1.NodeSelector(nodeSelectorTerms=pinned_terms),
    )
    return msgspec.structs.replace(
        spec,
        affinity=msgspec.structs.replace(affinity, nodeAffinity=node_affinity),
        tolerations=tolerations(spec),
    )


def node_of(pod: Any) -> str | None:
    """The node a daemon pod is on, or is pinned to."""
    if pod.spec.nodeName:
        return str(pod.spec.nodeName)
    affinity = pod.spec.affinity.nodeAffinity if pod.spec.affinity else None
    required = affinity.requiredDuringSchedulingIgnoredDuringExecution if affinity else None
    for term in (required.nodeSelectorTerms if required else None) or ():
        for expression in term.matchFields or ():
            if expression.key == "metadata.name" and expression.operator == "In" and expression.values:
                return str(expression.values[0])
    return None
