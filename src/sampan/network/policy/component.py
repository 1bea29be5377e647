"""Keeps this node's policy rules equal to what the API says, and lets no pod start before its own are there.

Policies are watched always; pods and namespaces only once there is a policy. `admit` is asked by the kubelet before a
pod's first container starts: the pod's addresses are not in the API yet, but its rules must be in the kernel.
The rules stay when this process goes away.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from typing import Any, Protocol

from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.api.kinds import core_v1, networking_v1
from sampan.client.cache import key_of
from sampan.client.informer import Informer
from sampan.client.informers import Informers
from sampan.network.errors import RefusedByKernel, Unusable
from sampan.network.policy import views
from sampan.network.policy.rules import compiled
from sampan.network.policy.state import PolicyState

log = logging.getLogger(__name__)
COALESCE_SECONDS = 0.01
CHECK_SECONDS = 5.0


class Filter(Protocol):
    """Where the text goes. `apply` raises RefusedByKernel (nothing of it was done), Unusable and OSError."""

    async def apply(self, text: str) -> None: ...

    def damaged(self, state: PolicyState) -> bool: ...

    def close(self) -> None: ...


class PolicyEnforcer:
    """`informers` are the process's, started by their owner."""

    def __init__(
        self, *, informers: Informers, clock: Clock, rng: random.Random, node_name: str, packet_filter: Filter
    ) -> None:
        self._clock = clock
        self._informers = informers
        self._filter = packet_filter
        self._state = PolicyState(node_name)
        self._policies = informers.of(networking_v1.NetworkPolicy)
        self._others: list[Informer[Any]] = []
        self._backoff = Backoff(base=0.2, cap=30.0, rng=rng, jitter=0.5)
        self._admitted: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        """Held while the kernel is told: until then it holds less than the state says, and nobody has changed it."""
        self._rewrite, self._absent = True, False
        self._waiting: list[asyncio.Future[None]] = []
        self._problem = "not yet synchronized"

    async def run(self) -> None:
        """Until cancelled, and again after a failure; leaves the rules in place."""
        self._rewrite = True
        self._policies.add_handler(self._on_policy)
        async with TaskOwner("network-policy") as owner:
            await self._policies.synced()
            self._wake.set()
            owner.start(self._apply_forever, name="apply")
            owner.start(self._check_forever, name="check")
            try:
                await owner.wait()
            finally:
                self._filter.close()
                for admission in self._waiting:
                    admission.set_exception(OSError("the network policies' keeper has ended, and starts anew"))

    async def admit(self, pod: Any, addresses: Sequence[str]) -> None:
        """Returns when the kernel holds what the policies say of this pod, which has those addresses.

        Raises OSError when this ends first.
        """
        key, known = key_of(pod), (pod.metadata.uid, tuple(addresses))
        if not self._problem and self._state.empty:
            return
        self._admitted[key] = known
        self._state.set_pod(key, views.pod(pod, known[1]))
        applied = asyncio.get_running_loop().create_future()
        self._waiting.append(applied)
        self._wake.set()
        await applied

    def healthy(self) -> bool:
        return not self._problem

    def statistics(self) -> dict[str, Any]:
        return {"problem": self._problem, **self._state.statistics()}

    def _on_policy(self, old: Any, new: Any) -> None:
        self._state.set_policy(key_of(new or old), compiled(new) if new is not None else None)
        if new is not None and not self._others:
            self._watch_others()
        self._wake.set()

    def _watch_others(self) -> None:
        namespaces, pods = self._informers.of(core_v1.Namespace), self._informers.of(views.PodView)
        self._others = [namespaces, pods]
        namespaces.add_handler(self._on_namespace)
        pods.add_handler(self._on_pod)

    def _on_namespace(self, old: Any, new: Any) -> None:
        self._state.set_namespace((new or old).metadata.name, (new.metadata.labels or {}) if new is not None else None)
        self._wake.set()

    def _on_pod(self, old: Any, new: Any) -> None:
        key = key_of(new or old)
        self._state.set_pod(key, self._seen(key, new) if new is not None else None)
        if new is None:
            self._admitted.pop(key, None)
        self._wake.set()

    def _seen(self, key: str, pod: Any) -> Any:
        """With the addresses it was admitted with while the API does not tell any."""
        found = views.pod(pod)
        uid, addresses = self._admitted.get(key, ("", ()))
        if found is not None and not found.addresses and uid == pod.metadata.uid:
            return views.pod(pod, addresses)
        return found

    async def _apply_forever(self) -> None:
        failures = 0
        while True:
            await self._wake.wait()
            for informer in self._others:
                await informer.synced()
            self._wake.clear()
            waiting, self._waiting = self._waiting, []
            try:
                async with self._turn:
                    await self._apply()
            except (RefusedByKernel, Unusable, OSError) as error:
                failures += 1
                self._failed(error)
                self._waiting += waiting
                await self._clock.sleep(self._backoff.delay(failures))
                self._wake.set()
                continue
            failures, self._problem = 0, ""
            for applied in waiting:
                if not applied.done():
                    applied.set_result(None)
            await self._clock.sleep(COALESCE_SECONDS)

    def _failed(self, error: Exception) -> None:
        self._rewrite, self._absent, self._problem = True, False, str(error)
        log.error("network policies not applied error=%s", error)

    async def _apply(self) -> None:
        if self._state.empty and self._absent:
            return
        anew = self._rewrite or self._state.empty
        if text := self._state.replace() if anew else self._state.update():
            await self._filter.apply(text)
        self._rewrite = self._absent = self._state.empty

    async def _check_forever(self) -> None:
        while True:
            await self._clock.sleep(CHECK_SECONDS)
            async with self._turn:
                settled = not (self._problem or self._wake.is_set() or self._state.empty)
                damaged = settled and self._damaged()
            if damaged:
                log.warning("network policies were changed by somebody else, writing them anew")
                self._rewrite, self._problem = True, "rules changed by somebody else"
                self._wake.set()

    def _damaged(self) -> bool:
        try:
            return self._filter.damaged(self._state)
        except OSError as error:
            log.warning("cannot check the network policies error=%s", error)
            return False
