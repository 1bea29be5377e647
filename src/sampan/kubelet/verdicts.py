"""What this node says of its pods: whether it takes one, and whether one can have what it asks for now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from sampan.kubelet import podadmission, podsecurity, preemption
from sampan.kubelet.eviction.ranking import is_critical
from sampan.kubelet.features import RuntimeFeatures
from sampan.kubelet.noderesources import NodeResources
from sampan.kubelet.resize import decide
from sampan.kubelet.shutdown.manager import ShutdownManager
from sampan.kubelet.spec import grace_seconds
from sampan.kubelet.surroundings import Surroundings
from sampan.kubelet.worker import PodWorker


class Verdicts:
    """`workers()` are the node's pods, `node()` is its Node in the API, None before that is known."""

    def __init__(
        self,
        given: Surroundings,
        *,
        workers: Callable[[], Iterable[PodWorker]],
        features: RuntimeFeatures,
        resources: NodeResources,
        shutdown: ShutdownManager,
        node: Callable[[], Any],
    ) -> None:
        self._given = given
        self._workers = workers
        self._features = features
        self._allocatable = resources.allocatable
        self._eviction = resources.upkeep.eviction
        self._devices = resources.devices.manager
        self._cpus = resources.cpus.manager
        self._shutdown = shutdown
        self._node = node
        self._leaving: dict[str, list[PodWorker]] = {}
        """Who makes room for a pod, by its uid."""

    def admit(self, pod: Any) -> podadmission.Rejection | None:
        """Why the node does not take a pod; None when it does, and then it has its processors."""
        uid = pod.metadata.uid
        others = [worker.pod for worker in self._workers() if worker.uid != uid and counts(worker)]
        if self._shutdown.active:
            return podadmission.Rejection("NodeShutdown", self._shutdown.refusal())
        refusal = self._devices.refusal(pod)
        if refusal:
            return podadmission.Rejection("UnexpectedAdmissionError", refusal)
        refused = self._judged(pod, others) or podsecurity.refused(
            pod,
            unsafe_sysctls=self._given.config.allowed_unsafe_sysctls,
            apparmor=self._given.machine.apparmor,
            groups_policy=self._features.supplemental_groups_policy(),
        )
        return refused or self._cpus.admit(pod)

    def _judged(self, pod: Any, others: list[Any]) -> podadmission.Rejection | None:
        """Makes room for a critical pod, if that is all it lacks."""
        node = self._node()
        told = (node.status.allocatable if node is not None and node.status else None) or {}
        there = {**told, **self._allocatable, **self._devices.allocatable()}
        judge = partial(podadmission.judged, allocatable=there, pressures=self._eviction.conditions, node=node)
        refused = judge(pod, others)
        if refused is None or not is_critical(pod):
            return refused
        missing = {short.resource: short.missing for short in podadmission.shortages(pod, others, there)}
        chosen = preemption.victims(others, missing) or []
        refused = judge(pod, [other for other in others if not any(other is one for one in chosen)])
        if refused is None:
            uids = {other.metadata.uid for other in chosen}
            self._leaving[pod.metadata.uid] = [worker for worker in self._workers() if worker.uid in uids]
            self._end(self._leaving[pod.metadata.uid], next(iter(missing)))
        return refused

    def _end(self, workers: list[PodWorker], resource: str) -> None:
        """For want of that resource, above all."""
        for worker in workers:
            grace = grace_seconds(worker.pod)
            if worker.evict(preemption.REASON, preemption.MESSAGE, grace, disruption=preemption.DISRUPTION):
                worker.tell("", "Warning", preemption.REASON, preemption.MESSAGE)
                self._given.instruments.preemptions.inc(resource)

    async def room(self, uid: str) -> None:
        """Returns when nothing runs any more of those who make room for the pod that was admitted."""
        for worker in self._leaving.pop(uid, ()):
            await worker.over.wait()

    def allocate(self, pod: Any) -> decide.Refusal | None:
        """Why a pod (as it wants to be) cannot have what it asks for now; None when it can."""
        uid = pod.metadata.uid
        others = [worker.pod for worker in self._workers() if worker.uid != uid and counts(worker)]
        return decide.judged(pod, others, self._allocatable, exclusive_cpus=self._cpus.has_exclusive(pod))


def counts(worker: PodWorker) -> bool:
    """Whether a pod takes of what the node has to give: not one that is over, nor one that the API has no more.

    The scheduler gives the place of a pod that was deleted without grace to the next one while the first still ends.
    """
    return not worker.memory.removed and not worker.is_over()
