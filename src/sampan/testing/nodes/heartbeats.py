"""Thousands of nodes' leases with one task: a heap of what is due, a bounded number of renewals on their way.

A renewal is one PUT of the lease as the server last gave it, as a kubelet's. Registration, and saying again that a node
is ready where the server thinks otherwise, go the same way.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import random
from collections.abc import Mapping
from typing import Any

from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.api.errors import AlreadyExists, ApiError, Conflict, NotFound
from sampan.api.kinds import coordination_v1, core_v1
from sampan.client.errors import ClientError
from sampan.client.informer import Informer
from sampan.client.interface import Client
from sampan.testing.nodes import machines
from sampan.testing.nodes.lifecycle import is_ready
from sampan.testing.nodes.machines import LEASES, Machine

log = logging.getLogger(__name__)
AT_ONCE = 32
REGISTERED_A_SECOND = 500
"""How fast nodes are registered at the start; their renewals are then spread over the whole interval."""


class Heartbeats:
    """`numbers` maps each node's name to its number; those in `silent` are left out."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        rng: random.Random,
        *,
        numbers: Mapping[str, int],
        machine: Machine,
        nodes: Informer[Any],
        seconds: float,
    ) -> None:
        self._client = client
        self._clock = clock
        self._rng = rng
        self._numbers = numbers
        self._machine = machine
        self._nodes = nodes
        self._seconds = seconds
        self._leases: dict[str, Any] = {}
        self._under_way: set[str] = set()
        self._room = asyncio.Semaphore(AT_ONCE)
        self.silent: set[str] = set()
        self.registered: set[str] = set()
        self.renewals = 0
        self.failures = 0
        self.late_seconds = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        async with TaskOwner("heartbeats") as owner:
            start = self._clock.monotonic()
            spread = min(len(self._numbers) / REGISTERED_A_SECOND, self._seconds)
            due = [(start + spread * self._rng.random(), name) for name in self._numbers]
            heapq.heapify(due)
            while due:
                at, name = due[0]
                wait = at - self._clock.monotonic()
                if wait > 0:
                    await self._clock.sleep(wait)
                    continue
                again = self._seconds
                if at < start + spread and name not in self.registered:
                    again *= self._rng.random()
                heapq.heapreplace(due, (max(at, start) + again, name))
                if name in self._under_way:
                    continue
                self._under_way.add(name)
                await self._room.acquire()
                self.late_seconds = max(-wait, 0.0)
                owner.start(lambda name=name: self._beat(name), name=name, policy="log")  # type: ignore[misc]

    async def _beat(self, name: str) -> None:
        try:
            if name not in self.silent:
                await self._renew(name)
                await self._say_ready(name)
        except (ApiError, ClientError) as error:
            self.failures += 1
            self._leases.pop(name, None)
            log.info("heartbeat failed node=%s error=%s", name, error)
        finally:
            self._under_way.discard(name)
            self._room.release()

    async def _renew(self, name: str) -> None:
        """One PUT; where that fails because the lease is not as remembered, the lease is read again."""
        lease = self._leases.get(name)
        if lease is None:
            lease = await self._registered(name)
        lease.spec = machines.lease(name, self._clock.now()).spec
        try:
            self._leases[name] = await self._client.update(lease)
            self.renewals += 1
        except (Conflict, NotFound):
            self._leases.pop(name, None)

    async def _registered(self, name: str) -> Any:
        """The node's lease; it and the node are made where they are not there."""
        try:
            lease = await self._client.get(coordination_v1.Lease, name, LEASES)
        except NotFound:
            lease = await self._client.create(machines.lease(name, self._clock.now()))
        if name not in self.registered or self._nodes.get(name) is None:
            try:
                await self._client.create(machines.node(self._machine, name, self._numbers[name]))
                await self._report(name)
            except AlreadyExists:
                log.debug("registered before name=%s", name)
        self.registered.add(name)
        return lease

    async def _say_ready(self, name: str) -> None:
        node = self._nodes.get(name)
        if node is not None and not is_ready(node):
            await self._report(name)

    async def _report(self, name: str) -> None:
        status = machines.status(self._machine, name, self._numbers[name], self._clock.now())
        await self._client.patch(core_v1.Node, name, None, status, type="strategic", subresource="status")
