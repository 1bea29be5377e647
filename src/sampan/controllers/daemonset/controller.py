"""The edge of the DaemonSet controller: gather, let `decide` say what to do, do it."""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from sampan.api.errors import ApiError
from sampan.api.kinds import apps_v1, core_v1
from sampan.api.selectors import from_label_selector
from sampan.client.cache import key_of
from sampan.controllers import batches, history, ownership
from sampan.controllers.claiming import claimed
from sampan.controllers.context import Context
from sampan.controllers.daemonset import decide, placement
from sampan.controllers.ownership import controller_of
from sampan.controllers.pods import from_template, next_available, phase
from sampan.controllers.reconciler import Controller, Permanent, sooner
from sampan.controllers.replicaset.controller import by_uid, namespace_ends

log = logging.getLogger(__name__)
ENDED_PODS = {
    "Failed": ("Warning", "FailedDaemonPod", "failed", "kill"),
    "Succeeded": ("Normal", "SucceededDaemonPod", "succeeded", "delete"),
}


class DaemonSetController(Controller):
    name = "daemonset"
    component = "daemonset-controller"
    workers = 4
    pace = 0.05

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.sets = self.informer(apps_v1.DaemonSet, namespace=ownership.by_namespace, uid=by_uid)
        self.nodes = self.informer(core_v1.Node)
        self.pods = self.informer(
            core_v1.Pod, controller=ownership.by_controller, orphans=ownership.orphans_by_namespace
        )
        self.revisions = self.informer(apps_v1.ControllerRevision, controller=ownership.by_controller)
        self.sets.add_handler(self.enqueue_self)
        self.pods.add_handler(self._pod_changed)
        self.nodes.add_handler(self._node_changed)

    def _node_changed(self, old: Any, new: Any) -> None:
        """A node's heartbeat moves no daemon; its labels and taints may."""
        if old is not None and new is not None and _placement(old) == _placement(new):
            return
        for owner in self.sets.list():
            self.enqueue(key_of(owner))

    def _pod_changed(self, old: Any, new: Any) -> None:
        for pod in (old, new):
            reference = pod and controller_of(pod)
            if reference is not None:
                for owner in self.sets.index("uid", reference.uid):
                    self.enqueue(key_of(owner))
        if new is not None and controller_of(new) is None and new.metadata.deletionTimestamp is None:
            for owner in self.sets.index("namespace", new.metadata.namespace):
                if from_label_selector(owner.spec.selector).matches(new.metadata.labels):
                    self.enqueue(key_of(owner))

    async def reconcile(self, key: str) -> float | None:
        owner = self.sets.get(key)
        if owner is None:
            return None
        selector = from_label_selector(owner.spec.selector)
        if selector.everything:
            message = "This daemon set is selecting all pods. A non-empty selector is required."
            self.events.event(owner, "Warning", "SelectingAll", message)
            raise Permanent(message)
        own = self.pods.index("controller", owner.metadata.uid)
        orphans = self.pods.index("orphans", owner.metadata.namespace)
        pods = await claimed(self.client, self.write, owner, selector, [*own, *orphans])
        revision = await self._revision(owner)
        if revision is None:
            return 0.0
        digest = revision.metadata.labels[history.POD_LABEL]
        plan = decide.plan(self._view(owner, pods, digest))
        failure = await self._carry_out(owner, plan, digest)
        pods = list(self.pods.index("controller", owner.metadata.uid))
        status = decide.status(self._view(owner, pods, digest))
        done = decide.settled(status) and not decide.settled(owner.status)
        untold = await self.status.tell(owner, status, pods=len(pods), done=done)
        if failure is not None:
            raise failure
        await self._trim_history(owner, pods, digest)
        return sooner(untold, next_available(pods, owner.spec.minReadySeconds or 0, self.clock.now()))

    def _view(self, owner: Any, pods: list[Any], digest: str) -> decide.View:
        return decide.View(owner, pods, self.nodes.list(), digest, self.clock.now())

    async def _revision(self, owner: Any) -> Any:
        known = list(self.revisions.index("controller", owner.metadata.uid))
        revision = await history.settle(self.write, history.wanted(owner, known))
        if revision is None:
            status = owner.status or apps_v1.DaemonSetStatus()
            collisions = (status.collisionCount or 0) + 1
            await self.status.put(owner, msgspec.structs.replace(status, collisionCount=collisions))
        return revision

    async def _carry_out(self, owner: Any, plan: decide.Plan, digest: str) -> BaseException | None:
        for pod in plan.failed:
            type, reason, how, end = ENDED_PODS[phase(pod)]
            message = f"Found {how} daemon pod {key_of(pod)} on node {placement.node_of(pod)}, will try to {end} it"
            self.events.event(owner, type, reason, message)
        failure = await batches.at_once(plan.delete, lambda pod: self._delete(owner, pod))
        nodes = iter(plan.create)
        _, refused = await batches.slow_start(len(plan.create), lambda: self._create(owner, next(nodes), digest))
        return failure or (None if namespace_ends(refused) else refused)

    async def _create(self, owner: Any, node: str, digest: str) -> None:
        pod = from_template(owner.spec.template, owner)
        pod.metadata.labels = {**(pod.metadata.labels or {}), history.POD_LABEL: digest}
        pod.spec = placement.pinned(pod.spec, node)
        try:
            made = await self.write.create_once(_slot(owner, node), pod)
        except ApiError as error:
            if not namespace_ends(error):
                self.events.event(owner, "Warning", "FailedCreate", f"Error creating: {error}")
            raise
        self.events.event(owner, "Normal", "SuccessfulCreate", f"Created pod: {made.metadata.name}")

    async def _delete(self, owner: Any, pod: Any) -> None:
        if await self.write.delete(pod):
            self.events.event(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {pod.metadata.name}")

    async def _trim_history(self, owner: Any, pods: list[Any], digest: str) -> None:
        hashes = {digest, *((pod.metadata.labels or {}).get(history.POD_LABEL, "") for pod in pods)}
        known = self.revisions.index("controller", owner.metadata.uid)
        live = {one.metadata.name for one in known if (one.metadata.labels or {}).get(history.POD_LABEL) in hashes}
        for one in history.surplus(known, live, owner.spec.revisionHistoryLimit):
            await self.write.delete(one)


def _slot(owner: Any, node: str) -> str:
    """What a create that was never answered is remembered by: the place it was for."""
    return f"{owner.metadata.uid}/{node}"


def _placement(node: Any) -> tuple[Any, ...]:
    tainted = {(t.key, t.value, t.effect) for t in (node.spec.taints if node.spec else None) or ()}
    return (node.metadata.labels, tainted)
