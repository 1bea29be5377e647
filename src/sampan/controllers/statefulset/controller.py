"""The edge of the StatefulSet controller: gather, let `decide` say what to do, do it."""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from sampan.api.errors import AlreadyExists, ApiError
from sampan.api.kinds import apps_v1, core_v1
from sampan.api.selectors import from_label_selector
from sampan.client.cache import key_of
from sampan.controllers import batches, history, ownership
from sampan.controllers.claiming import claimed
from sampan.controllers.context import Context
from sampan.controllers.ownership import controller_of
from sampan.controllers.pods import phase
from sampan.controllers.reconciler import Controller
from sampan.controllers.replicaset.controller import by_uid
from sampan.controllers.statefulset import decide, identity
from sampan.controllers.statefulset.decide import Revisions

log = logging.getLogger(__name__)
RECREATING = {
    "Failed": ("Warning", "RecreatingFailedPod", "failed"),
    "Succeeded": ("Normal", "RecreatingTerminatedPod", "terminated"),
}


class StatefulSetController(Controller):
    name = "statefulset"
    component = "statefulset-controller"
    workers = 4
    pace = 0.05

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.sets = self.informer(apps_v1.StatefulSet, namespace=ownership.by_namespace, uid=by_uid)
        self.pods = self.informer(
            core_v1.Pod, controller=ownership.by_controller, orphans=ownership.orphans_by_namespace
        )
        self.revisions = self.informer(apps_v1.ControllerRevision, controller=ownership.by_controller)
        self.claims = self.informer(core_v1.PersistentVolumeClaim)
        self.sets.add_handler(self.enqueue_self)
        self.pods.add_handler(self._pod_changed)

    def _pod_changed(self, old: Any, new: Any) -> None:
        for pod in (old, new):
            reference = pod and controller_of(pod)
            if reference is not None:
                for owner in self.sets.index("uid", reference.uid):
                    self.enqueue(key_of(owner))
        if new is not None and controller_of(new) is None and new.metadata.deletionTimestamp is None:
            for owner in self.sets.index("namespace", new.metadata.namespace):
                if self._belongs(owner, new) and from_label_selector(owner.spec.selector).matches(new.metadata.labels):
                    self.enqueue(key_of(owner))

    @staticmethod
    def _belongs(owner: Any, pod: Any) -> bool:
        return identity.ordinal_of(owner, pod) is not None

    async def reconcile(self, key: str) -> float | None:
        owner = self.sets.get(key)
        if owner is None:
            return None
        pods = await self._pods_of(owner)
        known = list(self.revisions.index("controller", owner.metadata.uid))
        update = await self._update_revision(owner, known)
        if update is None:
            return 0.0
        current = self._current_revision(owner, known) or update
        revisions = Revisions(current.metadata.name, update.metadata.name)
        plan = decide.plan(owner, pods, revisions, self.clock.now())
        failure = await self._carry_out(owner, plan, current, update)
        pods = list(self.pods.index("controller", owner.metadata.uid))
        await self.status.put(owner, decide.status(owner, pods, revisions, self.clock.now()))
        if failure is not None:
            raise failure
        await self._trim_history(owner, pods, revisions)
        return decide.next_look(owner, pods, self.clock.now())

    async def _pods_of(self, owner: Any) -> list[Any]:
        own = self.pods.index("controller", owner.metadata.uid)
        orphans = [pod for pod in self.pods.index("orphans", owner.metadata.namespace) if self._belongs(owner, pod)]
        selector = from_label_selector(owner.spec.selector)
        return await claimed(self.client, self.write, owner, selector, [*own, *orphans])

    async def _update_revision(self, owner: Any, known: list[Any]) -> Any:
        """The revision of the present template; None after a hash collision, which the next look resolves."""
        revision = await history.settle(self.write, history.wanted(owner, known))
        if revision is None:
            status = owner.status or apps_v1.StatefulSetStatus(replicas=0)
            collisions = (status.collisionCount or 0) + 1
            await self.status.put(owner, msgspec.structs.replace(status, collisionCount=collisions))
        return revision

    @staticmethod
    def _current_revision(owner: Any, known: list[Any]) -> Any:
        name = owner.status.currentRevision if owner.status else None
        return next((one for one in known if one.metadata.name == name), None)

    async def _carry_out(self, owner: Any, plan: decide.Plan, current: Any, update: Any) -> BaseException | None:
        for pod in plan.scaled_away:
            if identity.goes_with_scale(owner):
                await self._bind_claims(owner, pod)
        failure = await batches.at_once(plan.delete, lambda pod: self._delete(owner, pod))
        created = await batches.at_once(
            plan.create, lambda slot: self._create(owner, slot[0], update if slot[1] else current)
        )
        return failure or created

    async def _create(self, owner: Any, ordinal: int, revision: Any) -> None:
        pod = identity.pod(owner, history.template_of(revision), ordinal, revision.metadata.name)
        name = pod.metadata.name
        for claim in identity.claims(owner, ordinal):
            await self._ensure_claim(owner, name, claim)
        try:
            await self.write.create(pod)
        except AlreadyExists:
            existing = await self.write.existing(pod)
            reference = existing and controller_of(existing)
            if reference is None or reference.uid != owner.metadata.uid:
                raise
            self.pods.observe(existing)
            return
        except ApiError as error:
            message = f"create Pod {name} in StatefulSet {owner.metadata.name} failed error: {error}"
            self.events.event(owner, "Warning", "FailedCreate", message)
            raise
        message = f"create Pod {name} in StatefulSet {owner.metadata.name} successful"
        self.events.event(owner, "Normal", "SuccessfulCreate", message)

    async def _ensure_claim(self, owner: Any, pod: str, claim: Any) -> None:
        if self.claims.get(key_of(claim)) is not None:
            return
        try:
            await self.write.create(claim)
        except AlreadyExists:
            return
        except ApiError as error:
            failed = f"create Claim {claim.metadata.name} for Pod {pod} in StatefulSet {owner.metadata.name} failed"
            self.events.event(owner, "Warning", "FailedCreate", f"{failed} error: {error}")
            raise
        message = f"create Claim {claim.metadata.name} Pod {pod} in StatefulSet {owner.metadata.name} success"
        self.events.event(owner, "Normal", "SuccessfulCreate", message)

    async def _bind_claims(self, owner: Any, pod: Any) -> None:
        """The claims of a pod that is scaled away go with it: the pod becomes their owner."""
        ordinal = identity.ordinal_of(owner, pod)
        reference = {"apiVersion": "v1", "kind": "Pod", "name": pod.metadata.name, "uid": pod.metadata.uid}
        for claim in identity.claims(owner, ordinal or 0):
            existing = self.claims.get(key_of(claim))
            if existing is not None:
                await self.write.patch(existing, {"metadata": {"ownerReferences": [reference]}})

    async def _delete(self, owner: Any, pod: Any) -> None:
        name = pod.metadata.name
        if phase(pod) in RECREATING:
            type, reason, how = RECREATING[phase(pod)]
            message = f"StatefulSet {key_of(owner)} is recreating {how} Pod {name}"
            self.events.event(owner, type, reason, message)
        if await self.write.delete(pod):
            message = f"delete Pod {name} in StatefulSet {owner.metadata.name} successful"
            self.events.event(owner, "Normal", "SuccessfulDelete", message)

    async def _trim_history(self, owner: Any, pods: list[Any], revisions: Revisions) -> None:
        live = {revisions.current, revisions.update, *(identity.revision_of(pod) for pod in pods)}
        known = self.revisions.index("controller", owner.metadata.uid)
        for one in history.surplus(known, live, owner.spec.revisionHistoryLimit):
            await self.write.delete(one)
