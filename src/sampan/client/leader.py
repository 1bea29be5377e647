"""Leader election by Lease, with fencing: of several processes only the holder acts.

The holder writes its identity and the time into a Lease and renews it. Another takes the lease over only after it has
watched the same record for `lease_seconds` by its own clock, so that clocks need not agree. A holder that could not
renew for `renew_seconds` (less than `lease_seconds`) stops. A process that was paused (SIGSTOP, a sleeping laptop)
past its lease learns of it only on waking: `Leadership.check` asks the monotonic clock before every write, and
`Fenced` wraps a client so that no component can forget to.

Rules as in the coordination.k8s.io/v1 API reference and client-go's `tools/leaderelection`.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sampan.aio.clock import Clock, micro_timestamp
from sampan.api.errors import ApiError
from sampan.api.kinds import coordination_v1, meta_v1
from sampan.client.errors import ClientError, NotLeader
from sampan.client.interface import Client

log = logging.getLogger(__name__)
WRITES = frozenset({"create", "update", "update_status", "patch", "delete", "delete_collection", "create_subresource"})


@dataclass(frozen=True, kw_only=True)
class LeaseTimes:
    """Seconds, as upstream's defaults."""

    lease: float = 15.0
    renew: float = 10.0
    retry: float = 2.0


class Leadership:
    """What the holder knows of its own lease."""

    def __init__(self, clock: Clock, times: LeaseTimes) -> None:
        self._clock = clock
        self._times = times
        self._until = float("-inf")

    def renewed(self, asked_at: float) -> None:
        """The server accepted a renewal that was sent at `asked_at` (monotonic)."""
        self._until = asked_at + self._times.renew

    def resigned(self) -> None:
        self._until = float("-inf")

    @property
    def held(self) -> bool:
        return self._clock.monotonic() < self._until

    def check(self) -> None:
        """Raises NotLeader when the lease may have passed to another."""
        if not self.held:
            raise NotLeader("the lease was not renewed in time")


class LeaderElector:
    """Runs `work` while this process holds the lease `namespace/name`, as `identity`."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        rng: random.Random,
        *,
        name: str,
        identity: str,
        namespace: str = "kube-system",
        times: LeaseTimes | None = None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._rng = rng
        self._name = name
        self._namespace = namespace
        self._identity = identity
        self._times = times or LeaseTimes()
        self._observed: tuple[Any, float] = (None, 0.0)
        self.leadership = Leadership(clock, self._times)

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Waits for the lease, then runs `work` until it ends or the lease is lost, which raises NotLeader."""
        await self._acquire()
        log.info("leading lease=%s/%s identity=%s", self._namespace, self._name, self._identity)
        tasks = {asyncio.ensure_future(work()), asyncio.ensure_future(self._renew())}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._release()

    async def _acquire(self) -> None:
        while not await self._try():
            await self._clock.sleep(self._times.retry * (1 + 0.2 * self._rng.random()))

    async def _renew(self) -> None:
        while True:
            await self._clock.sleep(self._times.retry)
            await self._try()
            self.leadership.check()

    async def _try(self) -> bool:
        """One attempt to take or renew; False when another holds it or the server could not be asked."""
        asked_at = self._clock.monotonic()
        try:
            held = await self._clock.wait_for(self._take(), self._times.renew / 2)
        except (ApiError, ClientError, TimeoutError) as error:
            log.warning("lease not renewed lease=%s/%s error=%s", self._namespace, self._name, error or "timeout")
            return False
        if held:
            self.leadership.renewed(asked_at)
        return held

    async def _take(self) -> bool:
        try:
            lease = await self._client.get(coordination_v1.Lease, self._name, self._namespace)
        except ApiError as error:
            if error.code != 404:
                raise
            await self._client.create(self._record(None))
            return True
        spec = lease.spec or coordination_v1.LeaseSpec()
        seen = (spec.holderIdentity, spec.renewTime)
        if seen != self._observed[0]:
            self._observed = (seen, self._clock.monotonic())
        mine = spec.holderIdentity == self._identity
        expired = self._clock.monotonic() - self._observed[1] >= (spec.leaseDurationSeconds or self._times.lease)
        if spec.holderIdentity and not mine and not expired:
            return False
        await self._client.update(self._record(lease))
        return True

    def _record(self, lease: Any) -> Any:
        """The lease as we want it; with its resourceVersion, so that two takers cannot both succeed."""
        now = micro_timestamp(self._clock.now())
        old = (lease.spec if lease else None) or coordination_v1.LeaseSpec()
        mine = old.holderIdentity == self._identity
        metadata = lease.metadata if lease else meta_v1.ObjectMeta(name=self._name, namespace=self._namespace)
        spec = coordination_v1.LeaseSpec(
            holderIdentity=self._identity,
            leaseDurationSeconds=round(self._times.lease),
            acquireTime=old.acquireTime if mine else now,
            renewTime=now,
            leaseTransitions=(old.leaseTransitions or 0) + (1 if lease and not mine else 0),
        )
        return coordination_v1.Lease(metadata=metadata, spec=spec)

    async def _release(self) -> None:
        """Hands the lease over at once on a clean end, as `ReleaseOnCancel` does upstream."""
        if not self.leadership.held:
            return
        self.leadership.resigned()
        patch = {"spec": {"holderIdentity": "", "leaseDurationSeconds": 1}}
        try:
            await self._clock.wait_for(
                self._client.patch(coordination_v1.Lease, self._name, self._namespace, patch), 2.0
            )
        except (ApiError, ClientError, TimeoutError):
            log.info("lease not released lease=%s/%s: it runs out by itself", self._namespace, self._name)


class Fenced:
    """A client whose writes raise NotLeader once the lease may have passed on."""

    def __init__(self, client: Client, leadership: Leadership) -> None:
        self._client = client
        self._leadership = leadership

    def __getattr__(self, name: str) -> Any:
        if name in WRITES:
            self._leadership.check()
        return getattr(self._client, name)


class Runs(Protocol):
    """A component."""

    async def run(self) -> None: ...


async def run_elected(
    make: Callable[[Any], Runs], client: Client, clock: Clock, rng: random.Random, *, lease: str, identity: str
) -> None:
    """Runs the component `make(fenced client)` while this process holds the lease `kube-system/<lease>`, so that of
    several processes one acts. Raises NotLeader when the lease is lost: start anew, with fresh caches."""
    elector = LeaderElector(client, clock, rng, name=lease, identity=identity)
    await elector.run(make(Fenced(client, elector.leadership)).run)
