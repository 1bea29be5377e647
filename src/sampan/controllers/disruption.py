"""The disruption controller: how many pods of a PodDisruptionBudget may be taken away now.

`assess` is pure. A budget given in pods counts the pods there are; one given in percent, or as `maxUnavailable`, counts
those that the pods' controllers want. A pod whose eviction was granted counts as lost until it goes, for at most two
minutes. Rules: "Specifying a Disruption Budget", policy/v1 API reference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from sampan.aio.clock import parse_timestamp
from sampan.api.errors import NotFound
from sampan.api.kinds import apps_v1, core_v1, meta_v1, policy_v1
from sampan.api.selectors import from_label_selector
from sampan.client.cache import key_of
from sampan.controllers import conditions
from sampan.controllers.context import Context
from sampan.controllers.ownership import by_namespace, controller_of
from sampan.controllers.pods import is_ready
from sampan.controllers.reconciler import Controller
from sampan.controllers.replicaset.controller import by_uid

GRANTED_SECONDS = 120.0


ScaleOf = Callable[[Any], tuple[str, int]]
"""From a controlling reference to the uid of who decides and the number of pods it wants; may raise NoScale."""


class NoScale(Exception):
    """A pod's controller does not say how many pods it wants; the message names it."""


@dataclass(frozen=True)
class Assessment:
    """The status, and seconds until a granted eviction that was not used runs out."""

    status: Any
    look_again: float | None = None


def assess(budget: Any, pods: Sequence[Any], scale_of: ScaleOf, now: float) -> Assessment:
    """The budget's status for its pods; seconds and epoch seconds throughout."""
    granted, look_again = _still_granted(budget, {pod.metadata.name: pod for pod in pods}, now)
    healthy = sum(
        is_ready(pod) and pod.metadata.deletionTimestamp is None and pod.metadata.name not in granted for pod in pods
    )
    before = budget.status or policy_v1.PodDisruptionBudgetStatus()
    try:
        expected, desired = _needs(budget, pods, scale_of)
        allowed = max(0, healthy - desired) if expected > 0 else 0
        told = ("True", "SufficientPods", "") if allowed else ("False", "InsufficientPods", "")
    except NoScale as error:
        expected, desired, allowed = before.expectedPods or 0, before.desiredHealthy or 0, 0
        told = ("False", "SyncFailed", str(error))
    listed = conditions.put(before.conditions, meta_v1.Condition, "DisruptionAllowed", *told, now)
    generation = budget.metadata.generation
    listed = [msgspec.structs.replace(one, observedGeneration=generation) for one in listed]
    status = policy_v1.PodDisruptionBudgetStatus(
        currentHealthy=healthy,
        desiredHealthy=desired,
        expectedPods=expected,
        disruptionsAllowed=allowed,
        disruptedPods=granted or None,
        observedGeneration=generation,
        conditions=listed,
    )
    return Assessment(status, look_again)


def _still_granted(budget: Any, pods: dict[str, Any], now: float) -> tuple[dict[str, str], float | None]:
    """The evictions granted and not carried out yet, and seconds until the first of them runs out."""
    listed = (budget.status.disruptedPods if budget.status else None) or {}
    kept: dict[str, str] = {}
    waits = []
    for name, since in listed.items():
        left = parse_timestamp(since) + GRANTED_SECONDS - now
        pod = pods.get(name)
        if pod is not None and pod.metadata.deletionTimestamp is None and left > 0:
            kept[name] = since
            waits.append(left)
    return kept, min(waits, default=None)


def _needs(budget: Any, pods: Sequence[Any], scale_of: ScaleOf) -> tuple[int, int]:
    """How many pods there should be and how many of them must stay healthy."""
    spec = budget.spec
    if isinstance(spec.minAvailable, int):
        return len(pods), spec.minAvailable
    expected = _wanted(pods, scale_of)
    if spec.minAvailable is not None:
        return expected, _scaled(spec.minAvailable, expected)
    if spec.maxUnavailable is not None:
        return expected, max(0, expected - _scaled(spec.maxUnavailable, expected))
    return expected, expected


def _wanted(pods: Sequence[Any], scale_of: ScaleOf) -> int:
    """The pods that the controllers of these pods want together; pods without one are not counted."""
    references = {reference.uid: reference for pod in pods if (reference := controller_of(pod)) is not None}
    return sum(dict(map(scale_of, references.values())).values())


def _scaled(value: int | str, total: int) -> int:
    return value if isinstance(value, int) else math.ceil(float(value.rstrip("%")) * total / 100)


class DisruptionController(Controller):
    name = "disruption"
    component = "controllermanager"
    workers = 2
    pace = 0.2

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.budgets = self.informer(policy_v1.PodDisruptionBudget, namespace=by_namespace)
        self.pods = self.informer(core_v1.Pod, namespace=by_namespace)
        kinds = (apps_v1.Deployment, apps_v1.ReplicaSet, apps_v1.StatefulSet, core_v1.ReplicationController)
        self.scalable = {kind.__name__.split("__")[0]: self.informer(kind, uid=by_uid) for kind in kinds}
        self.budgets.add_handler(self.enqueue_self)
        self.pods.add_handler(self._pod_changed)
        for informer in self.scalable.values():
            informer.add_handler(self._scale_changed)

    def _pod_changed(self, old: Any, new: Any) -> None:
        if old is not None and new is not None and _signature(old) == _signature(new):
            return
        namespace = (new or old).metadata.namespace
        for budget in self.budgets.index("namespace", namespace):
            selector = from_label_selector(budget.spec.selector)
            if any(selector.matches(pod.metadata.labels) for pod in (old, new) if pod is not None):
                self.enqueue(key_of(budget))

    def _scale_changed(self, old: Any, new: Any) -> None:
        if old is None or new is None or old.spec.replicas != new.spec.replicas:
            for budget in self.budgets.index("namespace", (new or old).metadata.namespace):
                self.enqueue(key_of(budget))

    async def reconcile(self, key: str) -> float | None:
        budget = self.budgets.get(key)
        if budget is None or budget.metadata.deletionTimestamp is not None:
            return None
        selector = from_label_selector(budget.spec.selector)
        namespace = self.pods.index("namespace", budget.metadata.namespace)
        pods = [pod for pod in namespace if selector.matches(pod.metadata.labels)]
        found = assess(budget, pods, self._scale_of, self.clock.now())
        if not conditions.same(found.status, budget.status):
            try:
                await self.write.update_status(msgspec.structs.replace(budget, status=found.status))
            except NotFound:
                return None
        return found.look_again

    def _scale_of(self, reference: Any) -> tuple[str, int]:
        """The uid and wanted pods of a controller; of its Deployment where a ReplicaSet belongs to one."""
        informer = self.scalable.get(reference.kind)
        owner = next(iter(informer.index("uid", reference.uid)), None) if informer is not None else None
        if owner is None:
            raise NoScale(f"{reference.kind} {reference.name} does not implement the scale subresource")
        above = controller_of(owner)
        if above is not None and above.kind in self.scalable:
            return self._scale_of(above)
        return owner.metadata.uid, 1 if owner.spec.replicas is None else owner.spec.replicas


def _signature(pod: Any) -> tuple[Any, ...]:
    return (is_ready(pod), pod.metadata.deletionTimestamp is None, pod.metadata.labels)
