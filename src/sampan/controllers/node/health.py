"""When a node counts as lost, and what its conditions then say. Pure.

A node shows life by renewing its Lease or by writing its status. Only changes count, by this process's own clock, so
that a node's clock may be wrong (KEP-589).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sampan.aio.clock import parse_timestamp, timestamp
from sampan.api.kinds import core_v1
from sampan.controllers import conditions

LOST_CONDITIONS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


@dataclass
class Pulse:
    """The last sign of life: when it was noticed (monotonic seconds) and what it was; since when the node has not been
    ready, None while it is; and the readiness its pods were last marked for."""

    seen_at: float
    lease: str | None = None
    status: str | None = None
    failing_since: float | None = None
    marked: str | None = None

    def note_lease(self, renewed: str | None, now: float) -> None:
        if renewed and renewed != self.lease:
            self.lease, self.seen_at = renewed, now

    def note_status(self, node: Any, now: float) -> None:
        ready = ready_condition(node)
        beat = ready.lastHeartbeatTime if ready is not None else None
        if beat and beat != self.status and ready.status != "Unknown":
            self.status, self.seen_at = beat, now

    def failing_for(self, node: Any, now: float) -> float:
        """Seconds the node has not been ready."""
        if ready_status(node) == "True":
            self.failing_since = None
            return 0.0
        if self.failing_since is None:
            self.failing_since = now
        return now - self.failing_since


def ready_condition(node: Any) -> Any:
    return conditions.find(node.status.conditions if node.status else None, "Ready")


def ready_status(node: Any) -> str:
    """True, False or Unknown."""
    ready = ready_condition(node)
    return (ready.status if ready is not None else None) or "Unknown"


def lost_in(pulse: Pulse, node: Any, allowed: float, deaf_until: float, now: float) -> float:
    """Seconds until the node counts as lost unless it shows life; 0 when it does.

    Up to `deaf_until` this process could not hear: silence before that says nothing of the node.
    """
    return max(0.0, max(pulse.seen_at, deaf_until) + allowed - now)


def allowed_silence(node: Any, grace: float, startup_grace: float) -> float:
    """Seconds a node may be silent: longer for one that has never reported."""
    return startup_grace if ready_condition(node) is None else grace


def lost(node: Any, now: float) -> list[Any]:
    """The conditions of a node that is lost: what its kubelet would say is unknown."""
    result = list((node.status.conditions if node.status else None) or ())
    for type in LOST_CONDITIONS:
        old = conditions.find(result, type)
        if old is not None and old.status == "Unknown":
            continue
        never = old is None
        new = core_v1.NodeCondition(
            type=type,
            status="Unknown",
            reason="NodeStatusNeverUpdated" if never else "NodeStatusUnknown",
            message="Kubelet never posted node status." if never else "Kubelet stopped posting node status.",
            lastHeartbeatTime=node.metadata.creationTimestamp if never else old.lastHeartbeatTime,
            lastTransitionTime=timestamp(now),
        )
        result = [*conditions.without(result, type), new] if never else [new if c is old else c for c in result]
    return result


def age(node: Any, now: float) -> float:
    """Seconds since the node was created."""
    created = node.metadata.creationTimestamp
    return now - parse_timestamp(created) if created else 0.0
