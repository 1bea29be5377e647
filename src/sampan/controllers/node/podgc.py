"""The pod garbage collector: pods that no kubelet will ever end.

Those are pods bound to a node that is gone, pods deleted before they were bound, pods being deleted on a node marked
out of service, and ended pods beyond a limit: evicted ones first, then the oldest. A node must have been gone for a
while, and be gone by the server's own word, before its pods are given up.
Rules: "Pod Lifecycle", section "Garbage collection of Pods".
"""

from __future__ import annotations

from typing import Any

from sampan.api.errors import NotFound
from sampan.api.kinds import core_v1
from sampan.client.cache import key_of
from sampan.controllers import batches
from sampan.controllers.context import Context
from sampan.controllers.disruption.target import disruption_target
from sampan.controllers.node.health import ready_status
from sampan.controllers.node.lifecycle import by_node
from sampan.controllers.node.taints import OUT_OF_SERVICE
from sampan.controllers.pods import ENDED, phase
from sampan.controllers.reconciler import Controller

QUARANTINE_SECONDS = 40.0
ENDED_PODS = "ended pods"
"""The key under which the limit on ended pods is checked; no pod's key has a space."""


def by_end(pod: Any) -> list[str]:
    """Indexer: pods that have ended."""
    return [ENDED_PODS] if phase(pod) in ENDED else []


class PodGcController(Controller):
    name = "pod-garbage-collector"
    component = "pod-garbage-collector"
    workers = 4

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.nodes = self.informer(core_v1.Node)
        self.pods = self.informer(core_v1.Pod, node=by_node, ended=by_end)
        self.nodes.add_handler(self._node_changed)
        self.pods.add_handler(self._pod_changed)

    def _node_changed(self, old: Any, new: Any) -> None:
        if new is None:
            for pod in self.pods.index("node", old.metadata.name):
                self.queue.add_after(key_of(pod), QUARANTINE_SECONDS)
        elif _out_of_service(new) and (old is None or not _out_of_service(old)):
            for pod in self.pods.index("node", new.metadata.name):
                self.queue.add(key_of(pod))

    def _pod_changed(self, old: Any, new: Any) -> None:
        if new is None:
            return
        going = new.metadata.deletionTimestamp is not None
        node = self.nodes.get(new.spec.nodeName or "")
        if going and (not new.spec.nodeName or (node is not None and _out_of_service(node))):
            self.queue.add(key_of(new))
        elif new.spec.nodeName and node is None and (old is None or old.spec.nodeName != new.spec.nodeName):
            self.queue.add_after(key_of(new), QUARANTINE_SECONDS)
        if phase(new) in ENDED and len(self.pods.index("ended", ENDED_PODS)) > self.config.terminated_pod_limit:
            self.queue.add(ENDED_PODS)

    async def reconcile(self, key: str) -> float | None:
        if key == ENDED_PODS:
            await self._trim()
            return None
        pod = self.pods.get(key)
        if pod is None or _given_up(pod):
            return None
        going = pod.metadata.deletionTimestamp is not None
        node = self.nodes.get(pod.spec.nodeName or "")
        if not pod.spec.nodeName or node is not None:
            if going and (node is None or _out_of_service(node)):
                await self._give_up(pod)
        elif await self._is_gone(pod.spec.nodeName):
            made = disruption_target("DeletionByPodGC", "PodGC: node no longer exists", self.clock)
            await self._give_up(pod, conditions=[made])
        return None

    async def _is_gone(self, name: str) -> bool:
        try:
            await self.client.get(core_v1.Node, name)
        except NotFound:
            return True
        return False

    async def _give_up(self, pod: Any, **status: Any) -> None:
        """Nobody else will say that the pod has ended."""
        if phase(pod) not in ENDED:
            patch = {"status": {"phase": "Failed", **status}}
            await self.write.patch(pod, patch, type="strategic", subresource="status")
        await self.write.delete(pod, grace_period_seconds=0)

    async def _trim(self) -> None:
        ended = sorted(self.pods.index("ended", ENDED_PODS), key=_kept_longer)
        surplus = len(ended) - self.config.terminated_pod_limit
        if surplus > 0:
            failure = await batches.at_once(ended[:surplus], self._give_up)
            if failure is not None:
                raise failure


def _given_up(pod: Any) -> bool:
    """Whether only finalizers hold it."""
    return phase(pod) in ENDED and pod.metadata.deletionGracePeriodSeconds == 0


def _kept_longer(pod: Any) -> tuple[Any, ...]:
    """Sorts first what goes first: evicted pods, then the oldest."""
    return pod.status.reason != "Evicted", pod.metadata.creationTimestamp or "", pod.metadata.name


def _out_of_service(node: Any) -> bool:
    tainted = any(taint.key == OUT_OF_SERVICE for taint in (node.spec.taints if node.spec else None) or ())
    return tainted and ready_status(node) != "True"
