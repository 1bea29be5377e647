"""The node lifecycle controller: a silent node's conditions become Unknown; taints follow all nodes' conditions."""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from sampan.aio.clock import timestamp
from sampan.api.kinds import coordination_v1, core_v1
from sampan.controllers import batches
from sampan.controllers.context import Context
from sampan.controllers.node import health, labels, taints
from sampan.controllers.node.health import Pulse
from sampan.controllers.node.zones import Zones
from sampan.controllers.pods import condition, is_ready
from sampan.controllers.reconciler import Controller

log = logging.getLogger(__name__)
LEASES = "kube-node-lease"
SETTLE_SECONDS = 5.0
"""How long a node must have been failing before its pods are driven off; upstream looks at all nodes this often."""
NEW_SECONDS = 300.0
"""A node older than this when it is first seen is not new: it is this process that is."""
HELD_SECONDS = 30.0
"""How often to look again while zones let nobody be driven off."""


def by_node(pod: Any) -> list[str]:
    """Indexer: the node a pod is bound to."""
    return [pod.spec.nodeName] if pod.spec.nodeName else []


class NodeLifecycleController(Controller):
    name = "node-lifecycle"
    component = "node-controller"
    workers = 4

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.pulses: dict[str, Pulse] = {}
        self.zones = Zones(self.config)
        self.nodes = self.informer(core_v1.Node)
        self.pods = self.informer(core_v1.Pod, node=by_node)
        self.leases = self.informer(coordination_v1.Lease)
        self.nodes.add_handler(self._node_changed)
        self.leases.add_handler(self._lease_changed)

    def _pulse(self, name: str) -> Pulse:
        return self.pulses.setdefault(name, Pulse(self.clock.monotonic()))

    def _node_changed(self, old: Any, new: Any) -> None:
        lost_before = self.zones.all_lost
        if new is None:
            self.pulses.pop(old.metadata.name, None)
            self.zones.remove(old.metadata.name)
            self._tell(old, "RemovingNode", "Removing Node {name} from Controller")
        else:
            if old is None and health.age(new, self.clock.now()) < NEW_SECONDS:
                self._tell(new, "RegisteredNode", "Registered Node {name} in Controller")
            self._pulse(new.metadata.name).note_status(new, self.clock.monotonic())
            self.zones.update(new)
            if old is None or _signature(old) != _signature(new):
                self.queue.add(new.metadata.name)
        if self.zones.all_lost != lost_before:
            for name in self.zones.failing():
                self.queue.add(name)

    def _tell(self, node: Any, reason: str, what: str) -> None:
        name = node.metadata.name
        self.events.event(node, "Normal", reason, f"Node {name} event: {what.format(name=name)}")

    def _lease_changed(self, old: Any, new: Any) -> None:
        """Renewals come by the hundred a second at 5,000 nodes: a note, and no work unless the node was lost."""
        if new is None or new.spec is None or new.metadata.namespace != LEASES:
            return
        name = new.metadata.name
        pulse = self.pulses.get(name)
        if pulse is not None:
            pulse.note_lease(new.spec.renewTime, self.clock.monotonic())

    async def reconcile(self, key: str) -> float | None:
        node = self.nodes.get(key)
        if node is None:
            return None
        pulse = self._pulse(key)
        config = self.config
        allowed = health.allowed_silence(node, config.node_monitor_grace_seconds, config.node_startup_grace_seconds)
        deaf_until = max(self.leases.last_failure, self.nodes.last_failure)
        left = health.lost_in(pulse, node, allowed, deaf_until, self.clock.monotonic())
        if left == 0.0:
            node = await self._lose(node)
        await self._mark_pods(node, pulse)
        if due := labels.due(node):
            node = await self.write.patch(node, {"metadata": {"labels": due}})
        wait = await self._taint(node)
        waits = [seconds for seconds in (left or None, wait) if seconds is not None]
        return min(waits, default=None)

    async def _lose(self, node: Any) -> Any:
        conditions = health.lost(node, self.clock.now())
        before = node.status or core_v1.NodeStatus()
        was_ready = health.ready_status(node) == "True"
        if conditions == (before.conditions or []):
            return node
        name = node.metadata.name
        log.warning("node lost node=%s", name)
        status = msgspec.structs.replace(before, conditions=conditions)
        node = await self.write.update_status(msgspec.structs.replace(node, status=status))
        if was_ready:
            self.events.event(node, "Normal", "NodeNotReady", f"Node {name} status is now: NodeNotReady")
        return node

    async def _mark_pods(self, node: Any, pulse: Pulse) -> None:
        """Pods of a node that has just been lost are not ready either: no service should lead to them. Of a node that
        says itself that it is not ready, its kubelet speaks for the pods."""
        status = health.ready_status(node)
        if status == pulse.marked:
            return
        if status == "Unknown":
            pods = [pod for pod in self.pods.index("node", node.metadata.name) if is_ready(pod)]
            failure = await batches.at_once(pods, self._mark_pod)
            if failure is not None:
                raise failure
        pulse.marked = status

    async def _mark_pod(self, pod: Any) -> None:
        ready = condition(pod, "Ready")
        patch = {
            "type": "Ready",
            "status": "False",
            "lastTransitionTime": timestamp(self.clock.now()),
            "reason": ready.reason,
        }
        await self.write.patch(pod, {"status": {"conditions": [patch]}}, type="strategic", subresource="status")
        self.events.event(pod, "Warning", "NodeNotReady", "Node is not ready")

    async def _taint(self, node: Any) -> float | None:
        """Brings our taints up to date; seconds until a NoExecute taint that had to wait may be given."""
        name = node.metadata.name
        execute = taints.no_execute(node)
        self._pulse(name).failing_for(node, self.clock.monotonic())
        wait: float | None = None
        if execute is not None and self.zones.all_lost:
            execute = None
        elif execute is not None and not taints.has_no_execute(node):
            wait = self._eviction_in(node)
            if wait != 0.0:
                execute = None
        wanted = taints.wanted(node, execute, self.clock.now())
        if not taints.same(wanted, node.spec.taints):
            meta = {"resourceVersion": node.metadata.resourceVersion}
            await self.write.patch(node, {"metadata": meta, "spec": {"taints": wanted or None}})
        return wait or None

    def _eviction_in(self, node: Any) -> float | None:
        """Seconds until pods may be driven off: nodes that fail together must first be seen to, then zones decide."""
        now = self.clock.monotonic()
        failing = self._pulse(node.metadata.name).failing_for(node, now)
        if failing < SETTLE_SECONDS:
            return SETTLE_SECONDS - failing
        allowed = self.zones.may_taint_in(node.metadata.name, now)
        return HELD_SECONDS if allowed is None else allowed


def _signature(node: Any) -> tuple[Any, ...]:
    """All of a node that this controller acts on; heartbeats alone make no difference."""
    states = {(c.type, c.status) for c in (node.status.conditions if node.status else None) or ()}
    tainted = {(t.key, t.effect) for t in (node.spec.taints if node.spec else None) or ()}
    return (states, tainted, bool(node.spec and node.spec.unschedulable), node.metadata.labels)
