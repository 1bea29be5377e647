"""A Deployment's status: counts, and the three conditions Available, Progressing and ReplicaFailure. Pure.

Progressing as a table, by what is seen (`kubectl rollout status` reads its reason):

    paused                              Unknown  DeploymentPaused
    no longer paused                    Unknown  DeploymentResumed
    a new set was made / found          True     NewReplicaSetCreated / FoundNewReplicaSet
    every pod is new and available      True     NewReplicaSetAvailable
    some count went the right way       True     ReplicaSetUpdated
    nothing did for progressDeadline    False    ProgressDeadlineExceeded
    the set could not be made           False    ReplicaSetCreateError
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sampan.aio.clock import parse_timestamp, timestamp
from sampan.api.kinds import apps_v1
from sampan.controllers import conditions
from sampan.controllers.deployment.sizes import Limits

COMPLETE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED = "DeploymentPaused"
NO_DEADLINE = 2**31 - 1


def counts(deployment: Any, new: Any, sets: Sequence[Any], limit: Limits) -> Any:
    """The status without its Progressing and ReplicaFailure conditions brought up to date."""
    before = deployment.status or apps_v1.DeploymentStatus()
    total = _sum(sets, "replicas")
    available = _sum(sets, "availableReplicas")
    return apps_v1.DeploymentStatus(
        observedGeneration=deployment.metadata.generation,
        replicas=total,
        updatedReplicas=_sum([new] if new else [], "replicas"),
        readyReplicas=_sum(sets, "readyReplicas"),
        availableReplicas=available,
        unavailableReplicas=max(total - available, 0),
        terminatingReplicas=_sum(sets, "terminatingReplicas"),
        collisionCount=before.collisionCount,
        conditions=before.conditions,
    )


def _sum(sets: Sequence[Any], field: str) -> int:
    return sum((getattr(one.status, field) if one.status else None) or 0 for one in sets)


def put(status: Any, type: str, value: str, reason: str, message: str, now: float, *, renew: bool = False) -> None:
    """Sets a condition in place; one with the same status and reason stays as it is unless `renew`."""
    old = conditions.find(status.conditions, type)
    if old is not None and (old.status, old.reason) == (value, reason) and not renew:
        return
    at = timestamp(now)
    new = apps_v1.DeploymentCondition(
        type=type,
        status=value,
        reason=reason,
        message=message,
        lastUpdateTime=at,
        lastTransitionTime=old.lastTransitionTime if old is not None and old.status == value else at,
    )
    status.conditions = [*conditions.without(status.conditions, type), new]


def availability(status: Any, limit: Limits, now: float) -> None:
    if (status.availableReplicas or 0) >= limit.minimum:
        put(status, "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", now)
    else:
        message = "Deployment does not have minimum availability."
        put(status, "Available", "False", "MinimumReplicasUnavailable", message, now)


def pause(status: Any, deployment: Any, now: float) -> None:
    """Says that a rollout was paused or resumed, so that the time of the pause does not count against its deadline."""
    if not has_deadline(deployment):
        return
    current = conditions.find(status.conditions, "Progressing")
    reason = current.reason if current is not None else ""
    if reason == TIMED_OUT:
        return
    if deployment.spec.paused and reason != PAUSED:
        put(status, "Progressing", "Unknown", PAUSED, "Deployment is paused", now)
    elif not deployment.spec.paused and reason == PAUSED:
        put(status, "Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed", now)


def rollout(status: Any, deployment: Any, new: Any, now: float) -> None:
    """Brings Progressing up to date with the counts."""
    if not has_deadline(deployment):
        status.conditions = conditions.without(status.conditions, "Progressing")
        return
    current = conditions.find(status.conditions, "Progressing")
    settled = status.replicas == status.updatedReplicas and current is not None and current.reason == COMPLETE
    if settled:
        return
    subject = f'ReplicaSet "{new.metadata.name}"' if new else f'Deployment "{deployment.metadata.name}"'
    if is_complete(status, deployment):
        put(status, "Progressing", "True", COMPLETE, f"{subject} has successfully progressed.", now)
    elif _moved(deployment.status or apps_v1.DeploymentStatus(), status):
        put(status, "Progressing", "True", "ReplicaSetUpdated", f"{subject} is progressing.", now, renew=True)
    elif deadline_in(current, deployment, now) == 0.0:
        put(status, "Progressing", "False", TIMED_OUT, f"{subject} has timed out progressing.", now)


def failures(status: Any, sets: Sequence[Any], now: float) -> None:
    """Carries the first ReplicaFailure of the sets (new one first) over, or takes it away."""
    for one in sets:
        failed = conditions.find(one.status.conditions if one.status else None, "ReplicaFailure")
        if failed is not None:
            put(status, "ReplicaFailure", failed.status, failed.reason, failed.message, now)
            return
    status.conditions = conditions.without(status.conditions, "ReplicaFailure")


def has_deadline(deployment: Any) -> bool:
    return deployment.spec.progressDeadlineSeconds not in (None, NO_DEADLINE)


def settled(status: Any, deployment: Any) -> bool:
    """As `is_complete`, of a status that may be missing."""
    return status is not None and is_complete(status, deployment)


def is_complete(status: Any, deployment: Any) -> bool:
    """Every pod is of the new template and available, and no old one is left."""
    wanted = 1 if deployment.spec.replicas is None else deployment.spec.replicas
    return bool(
        status.updatedReplicas == wanted
        and status.replicas == wanted
        and status.availableReplicas == wanted
        and status.observedGeneration == deployment.metadata.generation
    )


def deadline_in(condition: Any, deployment: Any, now: float) -> float | None:
    """Seconds until the rollout counts as stuck, 0 when it does, None when that cannot happen."""
    if condition is None or condition.reason in (COMPLETE, TIMED_OUT, PAUSED) or not has_deadline(deployment):
        return None
    since = condition.lastUpdateTime or condition.lastTransitionTime
    return max(0.0, parse_timestamp(since) + deployment.spec.progressDeadlineSeconds - now)


def _moved(before: Any, after: Any) -> bool:
    def old_pods(status: Any) -> int:
        return (status.replicas or 0) - (status.updatedReplicas or 0)

    return (
        (after.updatedReplicas or 0) > (before.updatedReplicas or 0)
        or old_pods(after) < old_pods(before)
        or (after.readyReplicas or 0) > (before.readyReplicas or 0)
        or (after.availableReplicas or 0) > (before.availableReplicas or 0)
    )
