"""The edge of the ReplicaSet and ReplicationController controllers: gather, let `decide` say what to do, do it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from sampan.api.errors import ApiError
from sampan.api.kinds import apps_v1, core_v1
from sampan.api.selectors import Selector, from_label_selector, from_labels
from sampan.client.cache import key_of
from sampan.controllers import batches, joining, ownership
from sampan.controllers.claiming import claimed
from sampan.controllers.context import Context
from sampan.controllers.pods import from_template, is_active
from sampan.controllers.reconciler import Controller, sooner
from sampan.controllers.replicaset import decide

PODS_PER_SECOND = 20_000
"""Of which a second's looks may be: a look at more of them is followed by a longer pause."""
NEWS = 0.25
"""The share of the pods whose change is told sooner: by default what maxSurge and maxUnavailable allow in one step of a
rollout."""


class ReplicaSetController(Controller):
    name = "replicaset"
    component = "replicaset-controller"
    workers = 8
    pace = 0.05
    kind: ClassVar[Any] = apps_v1.ReplicaSet

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.owners = self.informer(
            self.kind, controller=ownership.by_controller, namespace=ownership.by_namespace, uid=by_uid
        )
        self.pods = self.informer(
            core_v1.Pod, controller=ownership.by_controller, orphans=ownership.orphans_by_namespace
        )
        self.owners.add_handler(self.enqueue_self)
        self.pods.add_handler(self._pod_changed)

    @staticmethod
    def selector(owner: Any) -> Selector:
        return from_label_selector(owner.spec.selector)

    def _pod_changed(self, old: Any, new: Any) -> None:
        for pod in (old, new):
            reference = pod and ownership.controller_of(pod)
            if reference is not None:
                for owner in self.owners.index("uid", reference.uid):
                    self.enqueue(key_of(owner))
        if new is not None and ownership.controller_of(new) is None and new.metadata.deletionTimestamp is None:
            for owner in self.owners.index("namespace", new.metadata.namespace):
                if self.selector(owner).matches(new.metadata.labels):
                    self.enqueue(key_of(owner))

    async def reconcile(self, key: str) -> float | None:
        owner = self.owners.get(key)
        if owner is None:
            return None
        pods = await self._pods_of(owner)
        plan = decide.plan(owner, pods, lambda: self._related(owner), self.clock.now())
        failure = await self._carry_out(owner, plan)
        pods = list(self.pods.index("controller", owner.metadata.uid))
        now = self.clock.now()
        status = decide.status(owner, pods, _reason(plan, failure), now)
        done = decide.settled(owner, status) and not decide.settled(owner, owner.status)
        alone = ownership.controller_of(owner) is None
        if plan.create and not alone:
            self.status.hold(owner)
        crowd, every = decide.crowd(owner), self._awaited(owner, pods)
        untold = await self.status.tell(owner, status, pods=crowd, done=done, share=NEWS, alone=alone, every=every)
        if failure is not None:
            raise failure
        if plan.create == decide.BURST or len(plan.delete) == decide.BURST:
            return 0.0
        return sooner(untold, decide.next_look(owner, pods, now))

    def pace_of(self, key: str) -> float:
        """A look costs a time that grows with the pods."""
        owner = self.owners.get(key)
        return self.pace + (decide.desired(owner) / PODS_PER_SECOND if owner is not None else 0.0)

    async def _pods_of(self, owner: Any) -> list[Any]:
        own = self.pods.index("controller", owner.metadata.uid)
        orphans = self.pods.index("orphans", owner.metadata.namespace)
        return await claimed(self.client, self.write, owner, self.selector(owner), [*own, *orphans])

    def _related(self, owner: Any) -> list[Any]:
        """The active pods of all sets with the same controller, this one's among them."""
        return [pod for one in self._siblings(owner) for pod in self.pods.index("controller", one.metadata.uid)]

    def _siblings(self, owner: Any) -> Iterable[Any]:
        """The sets with the same controller, this one among them."""
        reference = ownership.controller_of(owner)
        return self.owners.index("controller", reference.uid) if reference is not None else [owner]

    async def _carry_out(self, owner: Any, plan: decide.Plan) -> BaseException | None:
        if plan.create:
            _, failure = await batches.slow_start(plan.create, lambda: self._create(owner))
            return None if namespace_ends(failure) else failure
        return await batches.at_once(plan.delete, lambda pod: self._delete(owner, pod))

    def _awaited(self, owner: Any, pods: list[Any]) -> float | None:
        """Seconds between two statuses that a rollout waits for; None where none does, or pods have yet to be made."""
        siblings = self._siblings(owner)
        rolls = sum(decide.desired(sibling) > 0 for sibling in siblings) > 1
        if not rolls or sum(map(is_active, pods)) != decide.desired(owner):
            return None
        return joining.pause(decide.crowd(owner), joining.start_seconds(pods) + (owner.spec.minReadySeconds or 0))

    async def _create(self, owner: Any) -> None:
        try:
            pod = await self.write.create_once(owner.metadata.uid, from_template(owner.spec.template, owner))
        except ApiError as error:
            if not namespace_ends(error):
                self.events.event(owner, "Warning", "FailedCreate", f"Error creating: {error}")
            raise
        self.events.event(owner, "Normal", "SuccessfulCreate", f"Created pod: {pod.metadata.name}")

    async def _delete(self, owner: Any, pod: Any) -> None:
        try:
            deleted = await self.write.delete(pod)
        except ApiError as error:
            self.events.event(owner, "Warning", "FailedDelete", f"Error deleting: {error}")
            raise
        if deleted:
            self.events.event(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {pod.metadata.name}")


class ReplicationControllerController(ReplicaSetController):
    name = "replicationcontroller"
    component = "replication-controller"
    workers = 2
    kind = core_v1.ReplicationController

    @staticmethod
    def selector(owner: Any) -> Selector:
        return from_labels(owner.spec.selector)


def by_uid(obj: Any) -> list[str]:
    return [obj.metadata.uid]


def _reason(plan: decide.Plan, failure: BaseException | None) -> tuple[str, str] | None:
    if failure is None:
        return None
    return ("FailedCreate" if plan.create else "FailedDelete", str(failure))


def namespace_ends(error: BaseException | None) -> bool:
    """The namespace is being deleted: that no pod can be made there is as it should be."""
    if not isinstance(error, ApiError):
        return False
    causes = (error.details or {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)
