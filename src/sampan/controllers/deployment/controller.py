"""The edge of the Deployment controller: gather, let `decide` say what to do, do it."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from collections.abc import Sequence
from typing import Any

import msgspec

from sampan.aio.spacing import Spacing
from sampan.api.errors import AlreadyExists, ApiError
from sampan.api.kinds import apps_v1, core_v1
from sampan.api.selectors import from_label_selector
from sampan.client.cache import key_of
from sampan.controllers import conditions, joining, ownership
from sampan.controllers.claiming import claimed
from sampan.controllers.context import Context
from sampan.controllers.deployment import progress, revisions, sizes
from sampan.controllers.deployment.decide import Decision, decide
from sampan.controllers.pods import ENDED, is_active, phase
from sampan.controllers.reconciler import Controller, Permanent, sooner
from sampan.controllers.replicaset.controller import NEWS, by_uid, namespace_ends
from sampan.controllers.telling import MOMENT

log = logging.getLogger(__name__)

MAKING_SECONDS = 1.0
MAKING_SECONDS_PER_POD = 1 / 100
MAKING_MOST_SECONDS = 30.0
"""What a step may take until its pods are made and deleted, before the next small one is taken all the same."""


class DeploymentController(Controller):
    name = "deployment"
    component = "deployment-controller"
    workers = 8
    pace = 0.05

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.deployments = self.informer(apps_v1.Deployment, namespace=ownership.by_namespace, uid=by_uid)
        self.sets = self.informer(
            apps_v1.ReplicaSet,
            controller=ownership.by_controller,
            orphans=ownership.orphans_by_namespace,
            uid=by_uid,
        )
        self.pods = self.informer(core_v1.Pod, controller=ownership.by_controller)
        self._stepped: Spacing[str] = Spacing(context.clock)
        self.deployments.add_handler(self.enqueue_self)
        self.sets.add_handler(self._set_changed)
        self.pods.add_handler(self._pod_changed)

    def _set_changed(self, old: Any, new: Any) -> None:
        for one in (old, new):
            if one is not None:
                self._enqueue_owner(one)
        if new is not None and ownership.controller_of(new) is None and new.metadata.deletionTimestamp is None:
            for deployment in self.deployments.index("namespace", new.metadata.namespace):
                if from_label_selector(deployment.spec.selector).matches(new.metadata.labels):
                    self.enqueue(key_of(deployment))

    def _enqueue_owner(self, one: Any) -> None:
        reference = ownership.controller_of(one)
        if reference is not None:
            for deployment in self.deployments.index("uid", reference.uid):
                self.enqueue(key_of(deployment))

    def _pod_changed(self, old: Any, new: Any) -> None:
        """The strategy Recreate waits for the last old pod to end, which no ReplicaSet's size tells."""
        if old is None or (new is not None and phase(new) not in ENDED):
            return
        reference = ownership.controller_of(old)
        if reference is not None:
            for one in self.sets.index("uid", reference.uid):
                self._enqueue_owner(one)

    async def reconcile(self, key: str) -> float | None:
        deployment = self.deployments.get(key)
        if deployment is None:
            return None
        selector = from_label_selector(deployment.spec.selector)
        if selector.everything:
            message = "This deployment is selecting all pods. A non-empty selector is required."
            self.events.event(deployment, "Warning", "SelectingAll", message)
            raise Permanent(message)
        own = self.sets.index("controller", deployment.metadata.uid)
        orphans = self.sets.index("orphans", deployment.metadata.namespace)
        sets = await claimed(self.client, self.write, deployment, selector, [*own, *orphans])
        decision = decide(deployment, sets, self._pods_run, self.clock.now())
        if decision.minor:
            decision = self._in_large_steps(deployment, sets, decision)
        return await self._carry_out(deployment, decision)

    def _in_large_steps(self, deployment: Any, sets: Sequence[Any], decision: Decision) -> Decision:
        """Without a small step that comes soon after another: each costs writes and Events, and more will join it."""
        pods = crowd(deployment)
        made = [list(self.pods.index("controller", one.metadata.uid)) for one in sets]
        start = joining.start_seconds(itertools.chain.from_iterable(made)) + (deployment.spec.minReadySeconds or 0)
        pause = joining.pause(pods, start)
        left = pause - self._since_step(deployment)
        if left < MOMENT and not all(map(_carried_out, sets, made)):
            making = min(MAKING_SECONDS + pods * MAKING_SECONDS_PER_POD, MAKING_MOST_SECONDS)
            left = min(making - self._since_step(deployment), pause)
        if left < MOMENT:
            return decision
        again = sooner(left, decision.look_again)
        return dataclasses.replace(decision, resize=[], notes=[], look_again=again)

    def _since_step(self, deployment: Any) -> float:
        """Seconds, or the longest that matters."""
        return MAKING_MOST_SECONDS - self._stepped.left(deployment.metadata.uid)

    def _pods_run(self, sets: Sequence[Any]) -> bool:
        pods = (pod for one in sets for pod in self.pods.index("controller", one.metadata.uid))
        return any(phase(pod) not in ENDED for pod in pods)

    async def _carry_out(self, deployment: Any, decision: Decision) -> float | None:
        if decision.create is not None and not await self._create(deployment, decision):
            return 0.0
        if decision.resize:
            self._stepped.note(deployment.metadata.uid, MAKING_MOST_SECONDS)
        for one, patch in decision.resize:
            await self.write.patch(one, patch)
        for note in decision.notes:
            self.events.event(deployment, "Normal", "ScalingReplicaSet", note)
        for one in decision.delete:
            await self.write.delete(one, propagation="Background", resource_version=one.metadata.resourceVersion)
        if decision.revision is not None:
            await self._write_revision(deployment, decision)
            return decision.look_again
        done = progress.settled(decision.status, deployment) and not progress.settled(deployment.status, deployment)
        untold = await self.status.tell(deployment, decision.status, pods=crowd(deployment), done=done, share=NEWS)
        return sooner(untold, decision.look_again)

    async def _write_revision(self, deployment: Any, decision: Decision) -> None:
        """The annotation and the status in one write: a status may be written with its object's annotations."""
        annotations = {**(deployment.metadata.annotations or {}), revisions.REVISION: decision.revision}
        metadata = msgspec.structs.replace(deployment.metadata, annotations=annotations)
        await self.write.update_status(msgspec.structs.replace(deployment, metadata=metadata, status=decision.status))
        self.status.hold(deployment)

    async def _create(self, deployment: Any, decision: Decision) -> bool:
        """Makes the new set; False when its name was taken and the next try will use another."""
        wanted = decision.create
        try:
            await self.write.create(wanted)
        except AlreadyExists:
            return await self._resolve_collision(deployment, wanted)
        except ApiError as error:
            if namespace_ends(error):
                raise Permanent(str(error)) from error
            message = f'Failed to create new replica set "{wanted.metadata.name}": {error}'
            self.events.event(deployment, "Warning", "ReplicaSetCreateError", message)
            if progress.has_deadline(deployment):
                now = self.clock.now()
                progress.put(decision.status, "Progressing", "False", "ReplicaSetCreateError", message, now)
                await self.status.put(deployment, decision.status)
            raise
        return True

    async def _resolve_collision(self, deployment: Any, wanted: Any) -> bool:
        """The name exists: ours with the same template (an answer that was lost), or another template's hash."""
        existing = await self.client.get(apps_v1.ReplicaSet, wanted.metadata.name, wanted.metadata.namespace)
        reference = ownership.controller_of(existing)
        same = revisions.same_template(existing.spec.template, wanted.spec.template)
        if same and reference is not None and reference.uid == deployment.metadata.uid:
            self.sets.observe(existing)
            return True
        status = deployment.status or apps_v1.DeploymentStatus()
        collisions = (status.collisionCount or 0) + 1
        log.info("hash collision deployment=%s count=%d", key_of(deployment), collisions)
        await self.status.put(deployment, msgspec.structs.replace(status, collisionCount=collisions))
        return False


def _carried_out(one: Any, pods: Sequence[Any]) -> bool:
    """Whether a set has as many pods as it was last told to have, or cannot."""
    failed = conditions.find(one.status.conditions if one.status else None, "ReplicaFailure")
    return failed is not None or sum(map(is_active, pods)) == one.spec.replicas


def crowd(deployment: Any) -> int:
    """How many pods the work is about."""
    held = (deployment.status.replicas if deployment.status else None) or 0
    return max(held, sizes.limits(deployment).replicas)
