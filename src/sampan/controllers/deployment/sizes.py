"""How large each ReplicaSet of a Deployment should be. Pure arithmetic on drafts.

During a rolling update the sizes of all sets together never exceed `replicas + maxSurge`, and as many old pods are
given up as can be spared while `replicas - maxUnavailable` stay available; old pods that are not available anyway go
first. When a Deployment is scaled in mid-rollout, its sets grow or shrink in proportion to their sizes. Rules:
Deployment concepts page ("Rolling update", "Proportional scaling").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sampan.controllers.deployment.revisions import DESIRED, MAXIMUM, age


@dataclass
class Draft:
    """A ReplicaSet and what it should become."""

    of: Any
    replicas: int = field(init=False)
    annotations: dict[str, str] = field(init=False)
    min_ready: int | None = field(init=False)

    def __post_init__(self) -> None:
        self.replicas = self.before
        self.annotations = dict(self.of.metadata.annotations or {})
        self.min_ready = self.of.spec.minReadySeconds

    @property
    def before(self) -> int:
        return 1 if self.of.spec.replicas is None else int(self.of.spec.replicas)

    @property
    def available(self) -> int:
        return int((self.of.status.availableReplicas if self.of.status else None) or 0)

    def patch(self) -> dict[str, Any]:
        """The merge patch from the set as it is to the draft; empty when they are the same."""
        patch: dict[str, Any] = {}
        spec: dict[str, Any] = {}
        if self.replicas != self.before:
            spec["replicas"] = self.replicas
        if (self.min_ready or 0) != (self.of.spec.minReadySeconds or 0):
            spec["minReadySeconds"] = self.min_ready or 0
        if spec:
            patch["spec"] = spec
        known = self.of.metadata.annotations or {}
        changed = {key: value for key, value in self.annotations.items() if known.get(key) != value}
        if changed:
            patch["metadata"] = {"annotations": changed}
        return patch


@dataclass(frozen=True)
class Limits:
    """What the strategy allows, in pods."""

    replicas: int
    surge: int
    unavailable: int

    @property
    def maximum(self) -> int:
        return self.replicas + self.surge

    @property
    def minimum(self) -> int:
        return self.replicas - self.unavailable


def limits(deployment: Any) -> Limits:
    """maxSurge rounds up, maxUnavailable down; when both come to zero, one pod may be unavailable."""
    replicas = 1 if deployment.spec.replicas is None else int(deployment.spec.replicas)
    strategy = deployment.spec.strategy
    if strategy is not None and strategy.type == "Recreate":
        return Limits(replicas, 0, 0)
    rolling = strategy.rollingUpdate if strategy else None
    surge = scaled("25%" if rolling is None or rolling.maxSurge is None else rolling.maxSurge, replicas, up=True)
    spare = "25%" if rolling is None or rolling.maxUnavailable is None else rolling.maxUnavailable
    unavailable = scaled(spare, replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Limits(replicas, surge, min(unavailable, replicas))


def scaled(value: int | str, total: int, *, up: bool) -> int:
    """A number, or a percentage of `total`."""
    if isinstance(value, int):
        return value
    share = float(value.rstrip("%")) * total / 100
    return math.ceil(share) if up else math.floor(share)


def resize(draft: Draft, replicas: int, limit: Limits) -> None:
    """Sets the size and notes what the sizes are now relative to, for proportional scaling later."""
    draft.replicas = replicas
    draft.annotations |= sizing_annotations(limit)


def sizing_annotations(limit: Limits) -> dict[str, str]:
    return {DESIRED: str(limit.replicas), MAXIMUM: str(limit.maximum)}


def for_new(limit: Limits, total: int, current: int, recreate: bool) -> int:
    """The new set's size, given the size of all sets together."""
    if recreate:
        return limit.replicas
    if current >= limit.replicas:
        return limit.replicas
    room = limit.maximum - total
    return current if room <= 0 else current + min(room, limit.replicas - current)


def shrink_old(new: Draft, old: Sequence[Draft], limit: Limits) -> None:
    """One step of giving up old pods: the unavailable ones, then as many as availability can spare."""
    holding = [draft for draft in old if draft.replicas > 0]
    total = new.replicas + sum(draft.replicas for draft in holding)
    unready_new = new.replicas - new.available
    spare = total - limit.minimum - unready_new
    if not holding or spare <= 0:
        return
    for draft in holding:
        idle = min(spare, draft.replicas - draft.available)
        if idle > 0:
            resize(draft, draft.replicas - idle, limit)
            spare -= idle
    surplus = new.available + sum(draft.available for draft in holding) - limit.minimum
    for draft in holding:
        gone = min(draft.replicas, surplus)
        if gone > 0:
            resize(draft, draft.replicas - gone, limit)
            surplus -= gone


def rescale(new: Draft | None, old: Sequence[Draft], limit: Limits, rolling: bool, held: int) -> None:
    """Brings the sets to a changed number of replicas, without a rollout; `held` is the status's count of pods."""
    every = [*old, *([new] if new else [])]
    active = [draft for draft in every if draft.replicas > 0]
    if len(active) <= 1:
        only = active[0] if active else new or (old[-1] if old else None)
        if only is not None:
            resize(only, limit.replicas, limit)
        return
    if new is not None and _saturated(new, limit):
        for draft in old:
            if draft.replicas:
                resize(draft, 0, limit)
        return
    if rolling:
        _proportionally(active, limit, held)
    else:
        for draft in active:
            resize(draft, draft.replicas, limit)


def _saturated(new: Draft, limit: Limits) -> bool:
    desired = new.annotations.get(DESIRED)
    return new.replicas == limit.replicas and desired == str(limit.replicas) and new.available == limit.replicas


def _proportionally(active: list[Draft], limit: Limits, held: int) -> None:
    """Spreads the difference over the sets by size; what rounding leaves goes to the largest."""
    allowed = limit.maximum if limit.replicas > 0 else 0
    difference = allowed - sum(draft.replicas for draft in active)
    by_age = sorted(active, key=lambda draft: age(draft.of), reverse=difference > 0)
    ordered = sorted(by_age, key=lambda draft: -draft.replicas)
    shares = []
    given = 0
    for draft in ordered:
        share = _share(draft, limit, difference, given, held)
        given += share
        shares.append(share)
    if difference:
        shares[0] += difference - given
    for draft, share in zip(ordered, shares, strict=True):
        resize(draft, max(draft.replicas + share, 0), limit)


def _share(draft: Draft, limit: Limits, difference: int, given: int, held: int) -> int:
    if not difference or difference == given:
        return 0
    if limit.replicas == 0:
        wanted = -draft.replicas
    else:
        noted = draft.annotations.get(MAXIMUM, "")
        before = int(noted) if noted.isdecimal() and int(noted) else held
        if not before:
            return 0
        wanted = math.floor(draft.replicas * limit.maximum / before + 0.5) - draft.replicas
    left = difference - given
    return min(wanted, left) if difference > 0 else max(wanted, left)
