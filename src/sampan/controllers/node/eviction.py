"""The taint eviction controller: pods leave nodes whose NoExecute taints they do not, or no longer, tolerate."""

from __future__ import annotations

from typing import Any

from sampan.api.kinds import core_v1
from sampan.client.cache import key_of
from sampan.controllers.context import Context
from sampan.controllers.disruption.target import mark
from sampan.controllers.node import tolerance
from sampan.controllers.node.lifecycle import by_node
from sampan.controllers.node.taints import same
from sampan.controllers.reconciler import Controller


class TaintEvictionController(Controller):
    name = "taint-eviction"
    component = "taint-eviction-controller"
    workers = 8

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.nodes = self.informer(core_v1.Node)
        self.pods = self.informer(core_v1.Pod, node=by_node)
        self._leaving: dict[str, float] = {}
        self.nodes.add_handler(self._node_changed)
        self.pods.add_handler(self._pod_changed)

    def _node_changed(self, old: Any, new: Any) -> None:
        if new is None:
            return
        before = tolerance.no_execute(old) if old is not None else []
        if not same(before, tolerance.no_execute(new)):
            for pod in self.pods.index("node", new.metadata.name):
                self.queue.add(key_of(pod))

    def _pod_changed(self, old: Any, new: Any) -> None:
        if new is None:
            self._leaving.pop(key_of(old), None)
        elif old is None or old.spec.nodeName != new.spec.nodeName or old.spec.tolerations != new.spec.tolerations:
            node = self.nodes.get(new.spec.nodeName or "")
            if node is not None and tolerance.no_execute(node):
                self.queue.add(key_of(new))

    async def reconcile(self, key: str) -> float | None:
        pod = self.pods.get(key)
        if pod is None or not pod.spec.nodeName or pod.metadata.deletionTimestamp is not None:
            return None
        node = self.nodes.get(pod.spec.nodeName)
        taints = tolerance.no_execute(node) if node is not None else []
        now = self.clock.now()
        left = tolerance.stays(pod, taints, now, self._leaving.get(key))
        if left is None:
            if self._leaving.pop(key, None) is not None:
                self.events.event(pod, "Normal", "TaintManagerEviction", f"Cancelling deletion of Pod {key}")
            return None
        if left > 0:
            self._leaving.setdefault(key, now)
            return left
        self.events.event(pod, "Normal", "TaintManagerEviction", f"Marking for deletion Pod {key}")
        await mark(
            self.write, pod, "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint", self.clock
        )
        await self.write.delete(pod)
        return None
