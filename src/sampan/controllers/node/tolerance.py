"""How long a pod may stay on a node with NoExecute taints. Pure. Rules: "Taints and Tolerations"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sampan.aio.clock import parse_timestamp
from sampan.api.nodefit import tolerates


def no_execute(node: Any) -> list[Any]:
    return [taint for taint in (node.spec.taints if node.spec else None) or () if taint.effect == "NoExecute"]


def stays(pod: Any, taints: Sequence[Any], now: float, since: float | None = None) -> float | None:
    """Seconds the pod may still stay: 0 to go now, None for as long as it likes.

    Time counts from when each taint was added, so that a restart of the controller does not grant it again; for a taint
    that does not say (kubectl's do not), from `since`, when the pod was first seen with it (None: now).
    """
    ends = [_ends(pod, taint, now, now if since is None else since) for taint in taints]
    bounded = [end for end in ends if end is not None]
    return max(0.0, min(bounded) - now) if bounded else None


def _ends(pod: Any, taint: Any, now: float, since: float) -> float | None:
    """Epoch seconds at which one taint drives the pod off; None for never. The first toleration that matches counts."""
    toleration = next((one for one in pod.spec.tolerations or () if tolerates(one, taint)), None)
    if toleration is None:
        return now
    if toleration.tolerationSeconds is None:
        return None
    added = parse_timestamp(taint.timeAdded) if taint.timeAdded else since
    return added + max(0, toleration.tolerationSeconds)
