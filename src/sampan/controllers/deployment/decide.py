"""What a Deployment needs next, from what is there. Pure: values in, a `Decision` out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sampan.controllers import conditions
from sampan.controllers.deployment import progress, revisions, sizes
from sampan.controllers.deployment.sizes import Draft, Limits


@dataclass
class Decision:
    """`create` is the new ReplicaSet or None; `resize` the sets with their merge patches; `revision` the annotation
    the Deployment should carry, None to leave it; `notes` the messages of ScalingReplicaSet events; `minor` that the
    resizes are a small step of a rollout, which may wait for more to join it; `look_again` seconds after which the
    passing of time alone may change the decision."""

    status: Any
    create: Any = None
    resize: list[tuple[Any, dict[str, Any]]] = field(default_factory=list)
    delete: list[Any] = field(default_factory=list)
    revision: str | None = None
    notes: list[str] = field(default_factory=list)
    minor: bool = False
    look_again: float | None = None


def decide(deployment: Any, sets: Sequence[Any], old_pods_run: Callable[[Sequence[Any]], bool], now: float) -> Decision:
    """`sets` are the Deployment's ReplicaSets; `old_pods_run` tells whether any pod of those given still runs."""
    return _Rollout(deployment, sets, old_pods_run, now).decision()


MINOR = 0.25
"""Less than this share of the pods is a small step; maxSurge and maxUnavailable are as much by default."""


class _Rollout:
    def __init__(
        self, deployment: Any, sets: Sequence[Any], old_pods_run: Callable[[Sequence[Any]], bool], now: float
    ) -> None:
        self.deployment = deployment
        self.now = now
        self.limit: Limits = sizes.limits(deployment)
        self.recreate = deployment.spec.strategy is not None and deployment.spec.strategy.type == "Recreate"
        new, old = revisions.split(deployment, sets)
        self.new = Draft(new) if new is not None else None
        self.old = [Draft(one) for one in old]
        self.created: Any = None
        self.old_pods_run = old_pods_run

    @property
    def drafts(self) -> list[Draft]:
        return [*([self.new] if self.new else []), *self.old]

    def decision(self) -> Decision:
        going = self.deployment.metadata.deletionTimestamp is not None
        scaling = not going and (bool(self.deployment.spec.paused) or self._scaled_by_user())
        if not going:
            self._sync_revision()
            if scaling:
                held = (self.deployment.status.replicas if self.deployment.status else None) or 0
                sizes.rescale(self.new, self.old, self.limit, not self.recreate, held)
            elif self.recreate:
                self._recreate()
            else:
                self._roll()
        status = self._status(rolling=not going and not scaling)
        done = progress.is_complete(status, self.deployment) or bool(self.deployment.spec.paused)
        current = conditions.find(status.conditions, "Progressing")
        resize = [(draft.of, patch) for draft in self.drafts if (patch := draft.patch())]
        return Decision(
            status=status,
            create=self.created,
            resize=resize,
            delete=revisions.beyond_history(self.deployment, [d.of for d in self.old]) if done and not going else [],
            revision=None if going else self._revision(),
            notes=self._notes(),
            minor=not scaling and self._minor([patch for _, patch in resize]),
            look_again=progress.deadline_in(current, self.deployment, self.now),
        )

    def _scaled_by_user(self) -> bool:
        """Whether an active set was sized for another number of replicas than is asked for now."""
        wanted = str(self.limit.replicas)
        noted = (draft.annotations.get(revisions.DESIRED) for draft in self.drafts if draft.replicas > 0)
        return any(value is not None and value != wanted for value in noted)

    def _next_revision(self) -> int:
        return max((revisions.revision_of(draft.of) for draft in self.old), default=0) + 1

    def _sync_revision(self) -> None:
        if self.new is not None:
            self.new.annotations = revisions.annotations_for(self.deployment, self.new.of, self._next_revision())
            self.new.min_ready = self.deployment.spec.minReadySeconds

    def _create(self) -> None:
        size = sizes.for_new(self.limit, sum(draft.replicas for draft in self.old), 0, self.recreate)
        noted = sizes.sizing_annotations(self.limit)
        self.created = revisions.new_set(self.deployment, self._next_revision(), size, noted)

    def _roll(self) -> None:
        if self.new is None:
            self._create()
            sizes.shrink_old(Draft(self.created), self.old, self.limit)
            return
        total = sum(draft.replicas for draft in self.drafts)
        size = sizes.for_new(self.limit, total, self.new.replicas, recreate=False)
        if size != self.new.replicas:
            sizes.resize(self.new, size, self.limit)
        sizes.shrink_old(self.new, self.old, self.limit)

    def _recreate(self) -> None:
        for draft in self.old:
            if draft.replicas:
                sizes.resize(draft, 0, self.limit)
        if self.old_pods_run([draft.of for draft in self.old]):
            return
        if self.new is None:
            self._create()
        elif self.new.replicas != self.limit.replicas:
            sizes.resize(self.new, self.limit.replicas, self.limit)

    def _minor(self, patches: Sequence[dict[str, Any]]) -> bool:
        """Few pods change hands, and those of the new set that were asked for last are still awaited."""
        if self.new is None or any(
            patch.keys() != {"spec"} or patch["spec"].keys() != {"replicas"} for patch in patches
        ):
            return False
        moved = max((abs(draft.replicas - draft.before) for draft in self.drafts), default=0)
        return self.new.available < self.new.before and moved < MINOR * self.limit.replicas

    def _revision(self) -> str | None:
        source = self.created.metadata.annotations if self.created else self.new.annotations if self.new else {}
        wanted = source.get(revisions.REVISION)
        known = (self.deployment.metadata.annotations or {}).get(revisions.REVISION)
        return wanted if wanted != known else None

    def _status(self, rolling: bool) -> Any:
        new = self.new.of if self.new else None
        sets = [draft.of for draft in self.drafts]
        status = progress.counts(self.deployment, new, sets, self.limit)
        progress.pause(status, self.deployment, self.now)
        progress.availability(status, self.limit, self.now)
        if rolling:
            progress.rollout(status, self.deployment, new, self.now)
            progress.failures(status, sets, self.now)
            self._announce(status)
        return status

    def _announce(self, status: Any) -> None:
        if not progress.has_deadline(self.deployment):
            return
        if self.created is not None:
            message = f'Created new replica set "{self.created.metadata.name}"'
            progress.put(status, "Progressing", "True", "NewReplicaSetCreated", message, self.now)
        elif self.new is not None and conditions.find(status.conditions, "Progressing") is None:
            message = f'Found new replica set "{self.new.of.metadata.name}"'
            progress.put(status, "Progressing", "True", "FoundNewReplicaSet", message, self.now)

    def _notes(self) -> list[str]:
        changes = [(draft.of, draft.before, draft.replicas) for draft in self.drafts]
        if self.created is not None and self.created.spec.replicas:
            changes.insert(0, (self.created, 0, self.created.spec.replicas))
        return [
            f"Scaled {'up' if after > before else 'down'} replica set {one.metadata.name} from {before} to {after}"
            for one, before, after in changes
            if before != after
        ]
