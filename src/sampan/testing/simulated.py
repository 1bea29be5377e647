"""Nodes that are not there: they register, renew leases, take pods and run them in name only.

For tests and benchmarks of everything above the kubelet, over any `Client` and in any kind of time. A pod bound to a
simulated node becomes ready `start_seconds` later and is gone `stop_seconds` after its deletion; with `bind` the nodes
also do the scheduler's work, putting each pod on the emptiest node that will have it. `kill` makes a node fall silent
with all it runs, as when its power fails; `revive` brings it back.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from functools import partial
from typing import Any

from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock, micro_timestamp, parse_timestamp, timestamp
from sampan.aio.tasks import TaskOwner
from sampan.aio.workqueue import WorkQueue
from sampan.api.errors import AlreadyExists, ApiError, NotFound
from sampan.api.kinds import coordination_v1, core_v1, meta_v1
from sampan.client.cache import key_of
from sampan.client.errors import ClientError
from sampan.client.informer import Informer
from sampan.client.interface import Client

log = logging.getLogger(__name__)
LEASES = "kube-node-lease"
ADDRESSES = 0x0A800001


class SimulatedNodes:
    """`run` until cancelled; `finish_seconds` ends every pod with success so long after its start, None never."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        rng: random.Random,
        names: Sequence[str],
        *,
        bind: bool = True,
        start_seconds: float = 0.5,
        stop_seconds: float = 0.5,
        finish_seconds: float | None = None,
        lease_seconds: float = 10.0,
        workers: int = 16,
    ) -> None:
        self._client = client
        self._clock = clock
        self._rng = rng
        self._names = list(names)
        self._bind = bind
        self._start_seconds = start_seconds
        self._stop_seconds = stop_seconds
        self._finish_seconds = finish_seconds
        self._lease_seconds = lease_seconds
        self._workers = workers
        self._dead: set[str] = set()
        self._load = dict.fromkeys(self._names, 0)
        self._address = ADDRESSES
        backoff = Backoff(base=0.1, cap=10.0, rng=rng)
        self._queue: WorkQueue[str] = WorkQueue(clock, backoff)
        self._owner = TaskOwner("simulated nodes", clock=clock, backoff=backoff)
        self._nodes: Informer[Any] = Informer(client, core_v1.Node, clock, rng)
        self._pods: Informer[Any] = Informer(client, core_v1.Pod, clock, rng, indexers={"node": _node_of})
        self._pods.add_handler(self._pod_changed)

    async def run(self) -> None:
        """Registers the nodes and keeps them going until cancelled."""
        try:
            self._owner.start(self._pods.run, name="pods")
            self._owner.start(self._nodes.run, name="nodes")
            await self._pods.synced()
            for name in self._names:
                self._owner.start(partial(self._heartbeat, name), name=name, policy="restart")
            for number in range(self._workers):
                self._owner.start(self._work, name=f"worker {number}")
            await self._owner.wait()
        finally:
            await self._owner.close()
            self._queue.close()

    def kill(self, name: str) -> None:
        """The node falls silent: no lease, no status, nothing it runs is started, ended or told of."""
        self._dead.add(name)

    def revive(self, name: str) -> None:
        """The node is back at its next heartbeat, and sees to the pods that are still its own."""
        self._dead.discard(name)
        for pod in self._pods.index("node", name):
            self._queue.add(key_of(pod))

    def pods_on(self, name: str) -> int:
        return len(self._pods.index("node", name))

    def _pod_changed(self, old: Any, new: Any) -> None:
        before, after = _node_of(old) if old else [], _node_of(new) if new else []
        for name in before:
            self._load[name] = self._load.get(name, 0) - 1
        for name in after:
            self._load[name] = self._load.get(name, 0) + 1
        if new is None:
            return
        delay = 0.0
        if new.spec.nodeName:
            delay = self._stop_seconds if new.metadata.deletionTimestamp else self._start_seconds
        self._queue.add_after(key_of(new), delay)

    async def _heartbeat(self, name: str) -> None:
        await self._clock.sleep(self._rng.random() * min(1.0, self._lease_seconds))
        while True:
            if name not in self._dead:
                try:
                    await self._beat(name)
                except (ApiError, ClientError) as error:
                    log.info("heartbeat failed node=%s error=%s", name, error)
            await self._clock.sleep(self._lease_seconds)

    async def _beat(self, name: str) -> None:
        """Renews the lease; registers the node, or says that it is ready, where the server thinks otherwise."""
        patch = {"spec": {"renewTime": micro_timestamp(self._clock.now())}}
        try:
            await self._client.patch(coordination_v1.Lease, name, LEASES, patch)
        except NotFound:
            await self._register(name)
        node = self._nodes.get(name)
        if node is not None and not _says_ready(node):
            await self._client.patch(core_v1.Node, name, None, self._status(), type="strategic", subresource="status")

    async def _register(self, name: str) -> None:
        node = core_v1.Node(metadata=meta_v1.ObjectMeta(name=name, labels={"kubernetes.io/hostname": name}))
        lease = coordination_v1.Lease(
            metadata=meta_v1.ObjectMeta(name=name, namespace=LEASES),
            spec=coordination_v1.LeaseSpec(holderIdentity=name, renewTime=micro_timestamp(self._clock.now())),
        )
        for obj in (node, lease):
            try:
                await self._client.create(obj)
            except AlreadyExists:
                log.debug("registered before name=%s", name)
        await self._client.patch(core_v1.Node, name, None, self._status(), type="strategic", subresource="status")

    def _status(self) -> dict[str, Any]:
        now = timestamp(self._clock.now())
        resources = {"cpu": "16", "memory": "64Gi", "pods": "1100"}
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        }
        return {"status": {"capacity": resources, "allocatable": resources, "conditions": [ready]}}

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                again = await self._step(key)
                self._queue.forget(key)
                if again is not None:
                    self._queue.add_after(key, again)
            except NotFound:
                self._queue.forget(key)
            except (ApiError, ClientError):
                self._queue.add_rate_limited(key)
            finally:
                self._queue.done(key)

    async def _step(self, key: str) -> float | None:
        """Takes one pod one step further along its life."""
        pod = self._pods.get(key)
        if pod is None:
            return None
        name = pod.spec.nodeName
        if not name:
            return await self._schedule(pod) if self._bind and not pod.metadata.deletionTimestamp else None
        if name in self._dead or name not in self._load or name not in self._names:
            return None
        phase = (pod.status.phase if pod.status else None) or "Pending"
        if pod.metadata.deletionTimestamp:
            await self._end(pod)
        elif phase == "Pending" or (phase == "Running" and not _is_ready(pod)):
            await self._report(pod, self._running(pod))
        if phase == "Running" and self._finish_seconds is not None and not pod.metadata.deletionTimestamp:
            return await self._finish(pod)
        return None

    async def _schedule(self, pod: Any) -> float | None:
        usable = [n for n in self._names if _will_have(self._nodes.get(n), pod)]
        if not usable:
            return 1.0
        chosen = min(usable, key=lambda name: self._load[name])
        self._load[chosen] += 1
        meta = pod.metadata
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": meta.name},
            "target": {"kind": "Node", "name": chosen},
        }
        try:
            await self._client.create_subresource(core_v1.Pod, meta.name, meta.namespace, "binding", binding)
        finally:
            self._load[chosen] -= 1
        return None

    async def _end(self, pod: Any) -> None:
        meta = pod.metadata
        if meta.deletionGracePeriodSeconds:
            await self._client.delete(core_v1.Pod, meta.name, meta.namespace, uid=meta.uid, grace_period_seconds=0)

    async def _finish(self, pod: Any) -> float | None:
        assert self._finish_seconds is not None
        started = pod.status.startTime
        left = (parse_timestamp(started) if started else 0.0) + self._finish_seconds - self._clock.now()
        if left > 0:
            return left
        await self._report(pod, {"phase": "Succeeded", "conditions": [self._ready("False")]})
        return None

    def _running(self, pod: Any) -> dict[str, Any]:
        ip = pod.status.podIP if pod.status else None
        if not ip:
            self._address += 1
            ip = ".".join(str(self._address >> shift & 255) for shift in (24, 16, 8, 0))
        started = (pod.status.startTime if pod.status else None) or timestamp(self._clock.now())
        return {
            "phase": "Running",
            "podIP": ip,
            "podIPs": [{"ip": ip}],
            "startTime": started,
            "conditions": [self._ready("True")],
        }

    def _ready(self, status: str) -> dict[str, str]:
        return {"type": "Ready", "status": status, "lastTransitionTime": timestamp(self._clock.now())}

    async def _report(self, pod: Any, status: dict[str, Any]) -> None:
        meta = pod.metadata
        patch = {"metadata": {"uid": meta.uid}, "status": status}
        await self._client.patch(core_v1.Pod, meta.name, meta.namespace, patch, type="strategic", subresource="status")


def _node_of(pod: Any) -> list[str]:
    return [pod.spec.nodeName] if pod.spec.nodeName else []


def _condition(obj: Any) -> str:
    conditions = (obj.status.conditions if obj.status else None) or ()
    return next((one.status for one in conditions if one.type == "Ready"), "")


def _is_ready(pod: Any) -> bool:
    return _condition(pod) == "True"


def _says_ready(node: Any) -> bool:
    return _condition(node) == "True"


def _will_have(node: Any, pod: Any) -> bool:
    """Whether the node is ready, untainted, and the one the pod is pinned to if it is."""
    if node is None or not _says_ready(node) or (node.spec and (node.spec.unschedulable or node.spec.taints)):
        return False
    affinity = pod.spec.affinity.nodeAffinity if pod.spec.affinity else None
    required = affinity.requiredDuringSchedulingIgnoredDuringExecution if affinity else None
    wanted = [
        value
        for term in (required.nodeSelectorTerms if required else None) or ()
        for field in term.matchFields or ()
        for value in field.values or ()
    ]
    return not wanted or node.metadata.name in wanted
