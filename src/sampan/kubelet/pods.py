"""The workers of all pods on this node: one for each uid, from first sight until nothing is left of the pod."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from sampan.aio.tasks import TaskOwner
from sampan.kubelet.context import NodeContext
from sampan.kubelet.podadmission import Rejection
from sampan.kubelet.qos import qos_class
from sampan.kubelet.spec import app_containers
from sampan.kubelet.steps.workspace import Interrupted
from sampan.kubelet.worker import PodWorker

QUALITIES = ("Guaranteed", "Burstable", "BestEffort")


class PodWorkers:
    """`changed(old, new)` is an informer's handler."""

    def __init__(self, context: NodeContext, owner: TaskOwner) -> None:
        self._context = context
        self._owner = owner
        self._workers: dict[str, PodWorker] = {}

    def changed(self, old: Any, new: Any) -> None:
        if new is None:
            self._removed(old)
            return
        worker = self._workers.get(new.metadata.uid)
        if worker is None:
            self._begin(new)
        else:
            worker.update(new)

    def get(self, uid: str) -> PodWorker | None:
        return self._workers.get(uid)

    def find(self, namespace: str, name: str) -> PodWorker | None:
        """The worker of the newest pod of that name."""
        found = [
            worker
            for worker in self._workers.values()
            if worker.pod.metadata.namespace == namespace and worker.pod.metadata.name == name
        ]
        return max(found, key=lambda worker: worker.pod.metadata.creationTimestamp or "", default=None)

    def all(self) -> Iterable[PodWorker]:
        return list(self._workers.values())

    def uids(self) -> set[str]:
        return set(self._workers)

    def statistics(self) -> dict[str, Any]:
        return {worker.owner.name: worker.statistics() for worker in self._workers.values()}

    def _removed(self, pod: Any) -> None:
        worker = self._workers.get(pod.metadata.uid)
        if worker is not None:
            worker.remove()

    def _begin(self, pod: Any) -> None:
        rejection = self._context.admit(pod) if is_new(pod) else None
        worker = self._workers[pod.metadata.uid] = PodWorker(pod, self._context)
        self._context.instruments.containers.observe(len(app_containers(pod)))
        self._owner.start(lambda: self._run(worker, rejection), name=worker.owner.name, policy="log")

    def retry_resizes(self) -> None:
        """Something has become free: pods that wait for it are asked again, the dearest first (KEP-1287)."""
        waiting = [worker for worker in self._workers.values() if worker.memory.resize_pending is not None]
        for worker in sorted(waiting, key=lambda w: (-(w.pod.spec.priority or 0), QUALITIES.index(qos_class(w.pod)))):
            worker.reallocate()

    async def _run(self, worker: PodWorker, rejection: Rejection | None) -> None:
        try:
            if rejection is not None and rejection.may_be_old_news:
                await self._context.refresh_node()
                rejection = self._context.admit(worker.pod)
            if rejection is not None:
                worker.reject(rejection)
            with suppress(Interrupted):
                await worker.or_ending(self._context.room(worker.uid))
            await worker.run()
        finally:
            self._workers.pop(worker.uid, None)
            self._context.publisher.forget(worker.uid)
            self.retry_resizes()


def is_new(pod: Any) -> bool:
    """Whether no kubelet has begun with the pod, and nobody has ended it."""
    return pod.metadata.deletionTimestamp is None and not (pod.status is not None and pod.status.startTime)
