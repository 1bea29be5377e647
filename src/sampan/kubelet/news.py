"""Whether the API's newest form of a pod has something new for its worker: pure."""

from __future__ import annotations

from typing import Any


def is_news(old: Any, new: Any) -> bool:
    """Whether anything but status and bookkeeping changed."""
    before, after = old.metadata, new.metadata
    return bool(
        old.spec != new.spec
        or before.labels != after.labels
        or before.annotations != after.annotations
        or before.deletionTimestamp != after.deletionTimestamp
        or before.deletionGracePeriodSeconds != after.deletionGracePeriodSeconds
        or gates(old) != gates(new)
    )


def gates(pod: Any) -> list[tuple[str, str]]:
    """The conditions that readiness gates look at."""
    wanted = {gate.conditionType for gate in pod.spec.readinessGates or ()}
    conditions = (pod.status.conditions if pod.status else None) or ()
    return [(condition.type, condition.status) for condition in conditions if condition.type in wanted]
