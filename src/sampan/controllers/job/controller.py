"""The edge of the Job controller: gather, let `decide` say what to do, do it in the order that loses no pod."""

from __future__ import annotations

import logging
from typing import Any

from sampan.api.errors import ApiError, NotFound
from sampan.api.kinds import batch_v1, core_v1
from sampan.api.selectors import from_label_selector
from sampan.client.cache import key_of
from sampan.controllers import batches, ownership
from sampan.controllers.claiming import claimed
from sampan.controllers.context import Context
from sampan.controllers.job import podtemplate
from sampan.controllers.job.decide import Decision, decide
from sampan.controllers.job.sizing import Trouble
from sampan.controllers.job.tally import FINALIZER, failures_by_index, tracked
from sampan.controllers.ownership import controller_of
from sampan.controllers.reconciler import Controller
from sampan.controllers.replicaset.controller import by_uid, namespace_ends

log = logging.getLogger(__name__)
OURSELVES = "kubernetes.io/job-controller"
ORPHAN = "orphaned pod "
"""Before the key of a pod whose Job is gone: its finalizer has nobody else to take it away."""


class JobController(Controller):
    name = "job"
    component = "job-controller"
    workers = 8
    pace = 0.2

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.jobs = self.informer(batch_v1.Job, namespace=ownership.by_namespace, uid=by_uid)
        self.pods = self.informer(
            core_v1.Pod, controller=ownership.by_controller, orphans=ownership.orphans_by_namespace
        )
        self.trouble: dict[str, Trouble] = {}
        self.jobs.add_handler(self._job_changed)
        self.pods.add_handler(self._pod_changed)

    def _job_changed(self, old: Any, new: Any) -> None:
        self.enqueue(key_of(new or old))
        if new is None:
            self.trouble.pop(old.metadata.uid, None)
            for pod in self.pods.index("controller", old.metadata.uid):
                self.queue.add(ORPHAN + key_of(pod))

    def _pod_changed(self, old: Any, new: Any) -> None:
        for pod in (old, new):
            reference = pod and controller_of(pod)
            if reference is None or reference.kind != "Job":
                continue
            jobs = self.jobs.index("uid", reference.uid)
            for job in jobs:
                self.enqueue(key_of(job))
            if not jobs and new is not None and tracked(new):
                self.queue.add(ORPHAN + key_of(new))
        if new is not None and controller_of(new) is None:
            self._orphan_changed(new)

    def _orphan_changed(self, pod: Any) -> None:
        if tracked(pod):
            self.queue.add(ORPHAN + key_of(pod))
        for job in self.jobs.index("namespace", pod.metadata.namespace):
            if from_label_selector(job.spec.selector).matches(pod.metadata.labels):
                self.enqueue(key_of(job))

    async def reconcile(self, key: str) -> float | None:
        if key.startswith(ORPHAN):
            await self._free_orphan(key.removeprefix(ORPHAN))
            return None
        job = self.jobs.get(key)
        if job is None or job.spec.managedBy not in (None, OURSELVES):
            return None
        own = self.pods.index("controller", job.metadata.uid)
        orphans = self.pods.index("orphans", job.metadata.namespace)
        selector = from_label_selector(job.spec.selector)
        pods = await claimed(self.client, self.write, job, selector, [*own, *orphans])
        trouble = self.trouble.setdefault(job.metadata.uid, Trouble())
        return await self._carry_out(job, pods, decide(job, pods, trouble, self.clock.now()))

    async def _carry_out(self, job: Any, owned: list[Any], decision: Decision) -> float | None:
        failure = await batches.at_once(decision.delete, lambda pod: self._delete(job, pod))
        failure = await batches.at_once(decision.withdraw, lambda pod: self._withdraw(job, pod)) or failure
        if decision.create and failure is None:
            failure = await self._create_all(job, decision, owned)
        pods = max(decision.status.active or 0, job.spec.completions or 0)
        untold = await self.status.tell(job, decision.status, pods=pods, done=decision.urgent)
        if untold is None:
            failure = await self._follow_up(job, decision) or failure
        if failure is not None:
            raise failure
        return decision.look_again if untold is None else untold

    async def _follow_up(self, job: Any, decision: Decision) -> BaseException | None:
        """What may be done only once the status is written."""
        for told in decision.told:
            self.events.event(job, *told)
        return await batches.at_once([pod for pod in decision.release if tracked(pod)], self._free)

    async def _create_all(self, job: Any, decision: Decision, pods: list[Any]) -> BaseException | None:
        before = failures_by_index(job, pods)
        slots = iter(decision.create)

        async def create() -> None:
            index = next(slots)
            await self._create(job, podtemplate.pod(job, index, before.get(index or 0, (0, 0))), index)

        _, failure = await batches.slow_start(len(decision.create), create)
        return None if namespace_ends(failure) else failure

    async def _create(self, job: Any, pod: Any, index: int | None) -> None:
        slot = job.metadata.uid if index is None else f"{job.metadata.uid}/{index}"
        try:
            made = await self.write.create_once(slot, pod)
        except ApiError as error:
            if not namespace_ends(error):
                self.events.event(job, "Warning", "FailedCreate", f"Error creating: {error}")
            raise
        self.events.event(job, "Normal", "SuccessfulCreate", f"Created pod: {made.metadata.name}")

    async def _delete(self, job: Any, pod: Any) -> None:
        if await self.write.delete(pod):
            self.events.event(job, "Normal", "SuccessfulDelete", f"Deleted pod: {pod.metadata.name}")

    async def _withdraw(self, job: Any, pod: Any) -> None:
        if tracked(pod):
            await self._free(pod)
        await self._delete(job, pod)

    async def _free(self, pod: Any) -> None:
        """Takes our finalizer off: the status that counts the pod has been written."""
        kept = [name for name in pod.metadata.finalizers or () if name != FINALIZER]
        patch = {"metadata": {"finalizers": kept or None}}
        try:
            after = await self.write.patch(pod, patch)
        except NotFound:
            return
        if after.metadata.deletionTimestamp is not None and not kept:
            log.debug("pod let go pod=%s", key_of(pod))

    async def _free_orphan(self, key: str) -> None:
        pod = self.pods.get(key)
        if pod is None or not tracked(pod):
            return
        reference = controller_of(pod)
        if reference is not None and (reference.kind != "Job" or self.jobs.index("uid", reference.uid)):
            return
        await self._free(pod)
