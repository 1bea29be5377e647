"""The fleet: one informer of pods, one queue of those something is due for, a few workers, the heartbeats.

Cost follows what changes: an idle node costs its lease renewals, an idle pod nothing. `kill` makes a node fall silent
with all it runs, as when its power fails; `revive` brings it back.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
from collections.abc import Sequence
from typing import Any

from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.aio.workqueue import WorkQueue
from sampan.api.errors import ApiError, NotFound
from sampan.api.kinds import coordination_v1, core_v1
from sampan.client.cache import key_of
from sampan.client.errors import ClientError
from sampan.client.informer import Informer
from sampan.client.interface import Client
from sampan.testing.nodes import machines
from sampan.testing.nodes.behaviour import BadAnnotation, Behaviour
from sampan.testing.nodes.binder import Binder
from sampan.testing.nodes.heartbeats import Heartbeats
from sampan.testing.nodes.lifecycle import ENDED, Remove, Report, Step, Wait, next_step, phase_of, refused
from sampan.testing.nodes.machine import Machine

FIRST_POD = 0x0A800000
WORKERS = 16
REMOVED_AT_ONCE = 32


class SimulatedNodes:
    """`run` until cancelled. With `bind` the nodes also do the scheduler's work (see `binder`)."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        rng: random.Random,
        names: Sequence[str],
        *,
        behaviour: Behaviour | None = None,
        machine: Machine | None = None,
        bind: bool = False,
        lease_seconds: float = 10.0,
        workers: int = WORKERS,
    ) -> None:
        self._client = client
        self._clock = clock
        self._numbers = {name: number for number, name in enumerate(names)}
        self._behaviour = behaviour or Behaviour()
        self._workers = workers
        self._address = FIRST_POD
        self._since: dict[str, tuple[bool, float]] = {}
        self._writes = 0
        backoff = Backoff(base=0.1, cap=10.0, rng=rng)
        self._queue: WorkQueue[str] = WorkQueue(clock, backoff)
        self._owner = TaskOwner("simulated nodes", clock=clock, backoff=backoff)
        self._nodes: Informer[Any] = Informer(
            client, core_v1.Node, clock, rng, labels="" if bind else f"{machines.SIMULATED}=true"
        )
        self._pods: Informer[Any] = Informer(client, core_v1.Pod, clock, rng, indexers={"node": _node_of})
        self._binder = Binder(client, names, self._nodes) if bind else None
        self._pods.add_handler(self._pod_changed)
        self._heartbeats = Heartbeats(
            client,
            clock,
            rng,
            numbers=self._numbers,
            machine=machine or Machine(),
            nodes=self._nodes,
            seconds=lease_seconds,
        )

    async def run(self) -> None:
        """Registers the nodes and keeps them going until cancelled."""
        try:
            self._owner.start(self._pods.run, name="pods")
            self._owner.start(self._nodes.run, name="nodes")
            await self._pods.synced()
            await self._nodes.synced()
            self._address = max([FIRST_POD, *map(_address_of, self._pods.list())])
            self._owner.start(self._heartbeats.run, name="heartbeats")
            for number in range(self._workers):
                self._owner.start(self._work, name=f"worker {number}")
            await self._owner.wait()
        finally:
            await self._owner.close()
            self._queue.close()

    async def remove(self) -> None:
        """Deletes the nodes and their leases; after `run` has ended."""
        names = list(self._numbers)
        for start in range(0, len(names), REMOVED_AT_ONCE):
            await asyncio.gather(*map(self._remove, names[start : start + REMOVED_AT_ONCE]))

    async def _remove(self, name: str) -> None:
        for kind, namespace in ((core_v1.Node, None), (coordination_v1.Lease, machines.LEASES)):
            try:
                await self._client.delete(kind, name, namespace)
            except NotFound:
                continue

    def kill(self, name: str) -> None:
        """The node falls silent: no lease, no status, nothing it runs is started, ended or told of."""
        self._heartbeats.silent.add(name)

    def revive(self, name: str) -> None:
        """The node is back at its next heartbeat, and sees to the pods that are still its own."""
        self._heartbeats.silent.discard(name)
        for pod in self._pods.index("node", name):
            self._queue.add(key_of(pod))

    def statistics(self) -> dict[str, Any]:
        """Figures for a status line: nodes registered, their pods, renewals, writes about pods, failures."""
        beats = self._heartbeats
        return {
            "nodes": len(beats.registered),
            "pods": len(self._since),
            "renewals": beats.renewals,
            "writes": self._writes,
            "failures": beats.failures,
            "late_seconds": beats.late_seconds,
            **self._queue.statistics(),
        }

    def _pod_changed(self, old: Any, new: Any) -> None:
        if self._binder is not None:
            self._binder.note(old, new)
        key = key_of(new or old)
        if new is None:
            self._since.pop(key, None)
            return
        if new.spec.nodeName in self._numbers:
            deleted = bool(new.metadata.deletionTimestamp)
            if self._since.get(key, (None, 0.0))[0] is not deleted:
                self._since[key] = (deleted, self._clock.now())
            self._queue.add(key)
        elif self._binder is not None and not new.spec.nodeName:
            self._queue.add(key)

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                again = await self._attend(key)
                self._queue.forget(key)
                if again is not None:
                    self._queue.add_after(key, again)
            except NotFound:
                self._queue.forget(key)
            except (ApiError, ClientError):
                self._queue.add_rate_limited(key)
            finally:
                self._queue.done(key)

    async def _attend(self, key: str) -> float | None:
        """Takes one pod one step further along its life; seconds until the next."""
        pod = self._pods.get(key)
        if pod is None:
            return None
        name = pod.spec.nodeName
        if not name:
            return await self._binder.bind(pod) if self._binder and not pod.metadata.deletionTimestamp else None
        if name in self._heartbeats.silent or name not in self._numbers:
            return None
        step = self._step(pod, key)
        if isinstance(step, Wait):
            return max(step.until - self._clock.now(), 0.001)
        if step is not None:
            await self._carry_out(step, pod)
        return None

    def _step(self, pod: Any, key: str) -> Step:
        now = self._clock.now()
        _, since = self._since.get(key, (False, now))
        try:
            behaviour = self._behaviour.of(pod)
        except BadAnnotation as error:
            if not pod.metadata.deletionTimestamp:
                return refused(pod, "BadSimulation", str(error))
            behaviour = self._behaviour
        host = machines.host_of(self._numbers[pod.spec.nodeName])
        return next_step(pod, since=since, behaviour=behaviour, now=now, host=host, address=self._next_address(pod))

    def _next_address(self, pod: Any) -> str:
        """The pod's address, or a new one; used up only by pods that start."""
        if pod.status is not None and pod.status.podIP:
            return str(pod.status.podIP)
        if phase_of(pod) in ENDED or pod.metadata.deletionTimestamp:
            return ""
        self._address += 1
        return machines.address(self._address)

    async def _carry_out(self, step: Report | Remove, pod: Any) -> None:
        meta = pod.metadata
        self._writes += 1
        if isinstance(step, Remove):
            await self._client.delete(core_v1.Pod, meta.name, meta.namespace, uid=meta.uid, grace_period_seconds=0)
            return
        patch = {"metadata": {"uid": meta.uid}, "status": step.status}
        after = await self._client.patch(
            core_v1.Pod, meta.name, meta.namespace, patch, type="strategic", subresource="status"
        )
        self._pods.observe(after)


def _address_of(pod: Any) -> int:
    """The number of an address that an earlier fleet gave out; 0 for any other."""
    ip = (pod.status and pod.status.podIP) or ""
    number = int(ipaddress.IPv4Address(ip)) if pod.spec.nodeName and ip.count(".") == 3 else 0
    return number if FIRST_POD <= number < FIRST_POD + (1 << 23) else 0


def _node_of(pod: Any) -> list[str]:
    return [pod.spec.nodeName] if pod.spec.nodeName else []
