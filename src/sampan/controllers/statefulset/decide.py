"""What a StatefulSet needs next. Pure.

Ordered sets take one step at a time: a pod is made only when all before it are available, and taken away only when all
behind it are gone. Parallel sets make and take away all at once. An update goes from the highest ordinal down to the
partition, `maxUnavailable` (1) at a time, whatever the order. Rules: "StatefulSets", sections "Deployment and Scaling
Guarantees" and "Update strategies".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sampan.api.kinds import apps_v1
from sampan.controllers import pods as facts
from sampan.controllers.pods import ENDED, phase
from sampan.controllers.statefulset.identity import ordinal_of, replicas, revision_of, start


@dataclass
class Plan:
    """`create` are (ordinal, at the update revision or else the current one); `delete` pods; `scaled_away` those of
    them that the set has no place for any more."""

    create: list[tuple[int, bool]] = field(default_factory=list)
    delete: list[Any] = field(default_factory=list)
    scaled_away: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class Revisions:
    """Names of the revision that stands and of the one to come; the same when no update is under way."""

    current: str
    update: str


def plan(owner: Any, pods: Sequence[Any], revisions: Revisions, now: float) -> Plan:
    if owner.metadata.deletionTimestamp is not None:
        return Plan()
    return _Planner(owner, pods, revisions, now).plan()


class _Planner:
    def __init__(self, owner: Any, pods: Sequence[Any], revisions: Revisions, now: float) -> None:
        self.owner = owner
        self.revisions = revisions
        self.now = now
        self.minimum = owner.spec.minReadySeconds or 0
        self.ordered = owner.spec.podManagementPolicy != "Parallel"
        first = start(owner)
        self.wanted = range(first, first + replicas(owner))
        placed = {ordinal: pod for pod in pods if (ordinal := ordinal_of(owner, pod)) is not None}
        self.replicas = {ordinal: placed.get(ordinal) for ordinal in self.wanted}
        self.condemned = [placed[ordinal] for ordinal in sorted(placed, reverse=True) if ordinal not in self.wanted]
        self.result = Plan()

    def plan(self) -> Plan:
        if self._fill() and self._shrink():
            self._update()
        return self.result

    def _fill(self) -> bool:
        """Makes what is missing; False when an ordered set must wait for a pod."""
        for ordinal, pod in self.replicas.items():
            if pod is None:
                self.result.create.append((ordinal, self._new_at_update(ordinal)))
            elif phase(pod) in ENDED and pod.metadata.deletionTimestamp is None:
                self.result.delete.append(pod)
            elif self._healthy(pod):
                continue
            if self.ordered:
                return False
        return True

    def _new_at_update(self, ordinal: int) -> bool:
        """A pod below the partition, or not yet reached by a rolling update, is made as it was."""
        strategy = self.owner.spec.updateStrategy
        if strategy is not None and strategy.type == "OnDelete":
            return True
        partition = self._partition()
        if partition is not None:
            return ordinal >= self.wanted.start + partition
        current = (self.owner.status.currentReplicas if self.owner.status else None) or 0
        return ordinal >= self.wanted.start + current

    def _shrink(self) -> bool:
        """Takes away what is beyond the replicas, the highest first."""
        sick = next((pod for pod in reversed(self.condemned) if not self._healthy(pod)), None)
        for pod in self.condemned:
            if pod.metadata.deletionTimestamp is not None:
                if self.ordered:
                    return False
                continue
            if self.ordered and not self._healthy(pod) and pod is not sick:
                return False
            self.result.delete.append(pod)
            self.result.scaled_away.append(pod)
            if self.ordered:
                return False
        return True

    def _update(self) -> None:
        strategy = self.owner.spec.updateStrategy
        if self.revisions.current == self.revisions.update or (strategy and strategy.type == "OnDelete"):
            return
        budget = self._max_unavailable()
        lowest = self.wanted.start + (self._partition() or 0)
        doomed = {id(pod) for pod in self.result.delete}
        unavailable = sum(
            1 for pod in self.replicas.values() if pod is None or id(pod) in doomed or not self._healthy(pod)
        )
        for ordinal in range(self.wanted.stop - 1, lowest - 1, -1):
            pod = self.replicas[ordinal]
            if pod is None or id(pod) in doomed:
                continue
            if revision_of(pod) == self.revisions.update:
                if not self._healthy(pod) and budget <= 1:
                    return
                continue
            if pod.metadata.deletionTimestamp is not None:
                continue
            if self._healthy(pod):
                if unavailable >= budget:
                    return
                unavailable += 1
            self.result.delete.append(pod)
            if budget <= 1:
                return

    def _partition(self) -> int | None:
        rolling = self.owner.spec.updateStrategy.rollingUpdate if self.owner.spec.updateStrategy else None
        return rolling.partition if rolling is not None else None

    def _max_unavailable(self) -> int:
        rolling = self.owner.spec.updateStrategy.rollingUpdate if self.owner.spec.updateStrategy else None
        value = rolling.maxUnavailable if rolling is not None else None
        if isinstance(value, str):
            return max(1, math.floor(float(value.rstrip("%")) * len(self.wanted) / 100))
        return max(1, value or 1)

    def _healthy(self, pod: Any) -> bool:
        """Running, available, and not being deleted."""
        running = phase(pod) == "Running" and pod.metadata.deletionTimestamp is None
        return running and facts.is_available(pod, self.minimum, self.now)


def status(owner: Any, pods: Sequence[Any], revisions: Revisions, now: float) -> Any:
    """The status as it should read; once every pod is updated and ready the update revision is the current one."""
    before = owner.status or apps_v1.StatefulSetStatus()
    minimum = owner.spec.minReadySeconds or 0
    mine = [pod for pod in pods if ordinal_of(owner, pod) is not None]
    live = [pod for pod in mine if pod.metadata.deletionTimestamp is None]
    ready = [pod for pod in mine if phase(pod) == "Running" and facts.is_ready(pod)]
    current = sum(revision_of(pod) == revisions.current for pod in live)
    updated = sum(revision_of(pod) == revisions.update for pod in live)
    made = apps_v1.StatefulSetStatus(
        replicas=len(mine),
        readyReplicas=len(ready),
        availableReplicas=sum(facts.is_available(pod, minimum, now) for pod in ready),
        currentReplicas=current,
        updatedReplicas=updated,
        currentRevision=revisions.current,
        updateRevision=revisions.update,
        observedGeneration=owner.metadata.generation,
        collisionCount=before.collisionCount,
        conditions=before.conditions,
    )
    if updated == len(mine) == len(ready) == replicas(owner) and not _on_delete(owner):
        made.currentReplicas, made.currentRevision = updated, revisions.update
    return made


def _on_delete(owner: Any) -> bool:
    strategy = owner.spec.updateStrategy
    return strategy is not None and strategy.type == "OnDelete"


def next_look(owner: Any, pods: Sequence[Any], now: float) -> float | None:
    return facts.next_available(pods, owner.spec.minReadySeconds or 0, now)
