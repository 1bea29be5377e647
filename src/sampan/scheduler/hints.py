"""Which happenings may help a pod that was refused because of other pods (KEP-4247, queueing hints)."""

from __future__ import annotations

from sampan.scheduler.census import Census, Identity
from sampan.scheduler.needs import Needs
from sampan.scheduler.records import PodRecord


def concerns(pod: PodRecord, other: Identity, needs: Needs, census: Census) -> bool:
    """Whether the coming or going of such another pod could change a verdict on this pod."""
    own = pod.needs
    if any(census.means(term, other) for term in (*own.affinity, *own.anti_affinity)):
        return True
    if other.namespace == pod.namespace and any(c.hard and c.selector.matches(other.labels) for c in own.spread):
        return True
    return any(census.means(term, pod.identity) for term in needs.anti_affinity)
