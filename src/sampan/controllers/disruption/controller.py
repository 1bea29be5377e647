"""The edge of the disruption controller: gather, let `decide` say what a budget allows, write it."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.aio.clock import timestamp
from sampan.api.errors import NotFound
from sampan.api.kinds import apps_v1, core_v1, policy_v1
from sampan.api.registry import builtin
from sampan.api.selectors import from_label_selector
from sampan.client.cache import key_of
from sampan.controllers import conditions
from sampan.controllers.context import Context
from sampan.controllers.disruption.decide import NoScale, assess, calm_in
from sampan.controllers.ownership import by_namespace, controller_of
from sampan.controllers.pods import condition, is_ready
from sampan.controllers.reconciler import Controller
from sampan.controllers.replicaset.controller import by_uid

DISRUPTED = "disrupted pod "
"""Before the key of a pod that was told it would go."""


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
        if new is not None and calm_in(new, self.clock.now()) is not None:
            self.queue.add(DISRUPTED + key_of(new))
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
        if key.startswith(DISRUPTED):
            return await self._calm(key.removeprefix(DISRUPTED))
        budget = self.budgets.get(key)
        if budget is None or budget.metadata.deletionTimestamp is not None:
            return None
        selector = from_label_selector(budget.spec.selector)
        namespace = self.pods.index("namespace", budget.metadata.namespace)
        pods = [pod for pod in namespace if selector.matches(pod.metadata.labels)]
        found = assess(budget, pods, self._scale_of, self.clock.now())
        for told in found.told:
            self.events.event(budget, *told)
        for pod in found.overdue:
            self.events.event(
                pod, "Warning", "NotDeleted", f"Pod was expected by PDB {key} to be deleted but it wasn't"
            )
        if not conditions.same(found.status, budget.status):
            try:
                await self.write.update_status(msgspec.structs.replace(budget, status=found.status))
            except NotFound:
                return None
        return found.look_again

    async def _calm(self, key: str) -> float | None:
        """A pod that was to go for a disruption's sake, and has not, is told so no longer."""
        pod = self.pods.get(key)
        left = calm_in(pod, self.clock.now()) if pod is not None else None
        if left == 0.0:
            made = {"type": "DisruptionTarget", "status": "False", "lastTransitionTime": timestamp(self.clock.now())}
            gone = {"reason": None, "message": None}
            patch = {"status": {"conditions": [made | gone]}}
            await self.write.patch(pod, patch, type="strategic", subresource="status")
            return None
        return left

    def _scale_of(self, reference: Any) -> tuple[str, int]:
        """The uid and wanted pods of a controller; of its Deployment where a ReplicaSet belongs to one."""
        informer = self.scalable.get(reference.kind)
        owner = next(iter(informer.index("uid", reference.uid)), None) if informer is not None else None
        if owner is None:
            raise NoScale(f"{_qualified(reference)} does not implement the scale subresource")
        above = controller_of(owner)
        if above is not None and above.kind in self.scalable:
            return self._scale_of(above)
        return owner.metadata.uid, 1 if owner.spec.replicas is None else owner.spec.replicas


def _qualified(reference: Any) -> str:
    """`jobs.batch`: the resource that a reference's kind is."""
    group, slash, _ = reference.apiVersion.partition("/")
    try:
        plural = builtin().kind(reference.apiVersion, reference.kind).plural
    except KeyError:
        plural = f"{reference.kind.lower()}s"
    return f"{plural}.{group}" if slash else plural


def _signature(pod: Any) -> tuple[Any, ...]:
    target = condition(pod, "DisruptionTarget")
    return (is_ready(pod), pod.metadata.deletionTimestamp is None, pod.metadata.labels, target and target.status)
