"""Which pods go first when there are too many: those whose loss hurts least. Pure.

The order is the documented one (ReplicaSet concepts page, "Scaling a ReplicaSet"; KEP-2255 for the deletion cost,
KEP-2185 for comparing ages by order of magnitude, so that the youngest is not always the one to go).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sampan.aio.clock import parse_timestamp
from sampan.controllers.pods import is_active, is_ready, phase, ready_since

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def to_delete(count: int, pods: Sequence[Any], related: Iterable[Any], now: float) -> list[Any]:
    """The `count` pods to delete; `related` are all pods of the sibling sets, which spread over nodes together."""
    if count >= len(pods):
        return list(pods)
    on_node = Counter(pod.spec.nodeName for pod in related if is_active(pod) and pod.spec.nodeName)
    return sorted(pods, key=lambda pod: _rank(pod, on_node, now))[:count]


def _rank(pod: Any, on_node: Counter[str], now: float) -> tuple[Any, ...]:
    """Sorts first what is deleted first."""
    ready = is_ready(pod)
    return (
        bool(pod.spec.nodeName),
        PHASES.get(phase(pod), 1),
        ready,
        deletion_cost(pod),
        -on_node[pod.spec.nodeName or ""],
        _magnitude(now - ready_since(pod)) if ready else 0,
        -_restarts(pod),
        _magnitude(now - _created(pod)),
        pod.metadata.uid or "",
    )


def deletion_cost(pod: Any) -> int:
    """The pod's deletion cost annotation, 0 when absent or no integer."""
    text = (pod.metadata.annotations or {}).get(DELETION_COST, "0")
    try:
        return int(text)
    except ValueError:
        return 0


def _magnitude(seconds: float) -> int:
    return int(math.log2(seconds)) if seconds >= 1 else 0


def _created(pod: Any) -> float:
    created = pod.metadata.creationTimestamp
    return parse_timestamp(created) if created else 0.0


def _restarts(pod: Any) -> int:
    statuses = (pod.status.containerStatuses if pod.status else None) or ()
    return max((status.restartCount or 0 for status in statuses), default=0)
