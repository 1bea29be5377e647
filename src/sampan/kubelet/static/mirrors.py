"""Mirror pods: what the API shows of static pods. What is to be made and taken away is pure; then it is done.

A mirror says nothing to the node: deleting it does not end the pod, and a new one is made. One that mirrors another
form of the pod, or no pod any more, is deleted. While the API is away the pods run without.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from sampan.aio.clock import Clock
from sampan.api.errors import AlreadyExists, ApiError, Conflict, NotFound
from sampan.api.kinds import core_v1, meta_v1
from sampan.client.errors import ClientError
from sampan.client.interface import Client
from sampan.kubelet.static.marks import HASH, MIRROR

log = logging.getLogger(__name__)
RETRY_SECONDS = 5.0


class Plan(NamedTuple):
    create: list[Any]
    delete: list[Any]


def plan(pods: Iterable[Any], mirrors: Iterable[Any]) -> Plan:
    """`pods` are the static ones, `mirrors` what the API has of them."""
    wanted = {named(pod): pod for pod in pods}
    good, bad = set(), []
    for mirror in mirrors:
        pod = wanted.get(named(mirror))
        if pod is not None and mirrors_it(mirror, pod) and mirror.metadata.deletionTimestamp is None:
            good.add(named(mirror))
        else:
            bad.append(mirror)
    return Plan([pod for name, pod in wanted.items() if name not in good], bad)


def named(pod: Any) -> tuple[str, str]:
    return pod.metadata.namespace, pod.metadata.name


def mirrors_it(mirror: Any, pod: Any) -> bool:
    return bool((mirror.metadata.annotations or {}).get(MIRROR) == (pod.metadata.annotations or {}).get(HASH))


def mirror_of(pod: Any, node: Any) -> Any:
    """What is made in the API; it goes with its node."""
    copy = msgspec.convert(msgspec.to_builtins(pod), core_v1.Pod)
    meta = copy.metadata
    meta.uid = meta.creationTimestamp = None
    meta.annotations[MIRROR] = meta.annotations[HASH]
    owner = meta_v1.OwnerReference(
        apiVersion="v1", kind="Node", name=node.metadata.name, uid=node.metadata.uid, controller=True
    )
    meta.ownerReferences = [owner]
    copy.status = None
    return copy


class Mirrors:
    """`pods()` are the static pods, `mirrors()` the mirror pods of this node, `node()` its Node (None: not known yet).

    `ready()` says whether all sources have been read: before, no mirror is an orphan.
    """

    def __init__(
        self,
        client: Client,
        clock: Clock,
        *,
        pods: Callable[[], Iterable[Any]],
        mirrors: Callable[[], Iterable[Any]],
        node: Callable[[], Any],
        ready: Callable[[], bool],
    ) -> None:
        self._client = client
        self._clock = clock
        self._pods = pods
        self._mirrors = mirrors
        self._node = node
        self._ready = ready
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Look again: a static pod or a mirror has changed."""
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self.reconcile()
            except (ApiError, ClientError) as error:
                log.warning("mirror pods are not as they should be error=%s", error)
                self._changed.set()
                await self._clock.sleep(RETRY_SECONDS)

    async def reconcile(self) -> None:
        """Raises ApiError, ClientError."""
        node = self._node()
        if node is None or not self._ready():
            return
        found = plan(self._pods(), self._mirrors())
        for mirror in found.delete:
            await self._delete(mirror)
        for pod in found.create:
            await self._create(pod, node)

    async def _delete(self, mirror: Any) -> None:
        meta = mirror.metadata
        try:
            await self._client.delete(core_v1.Pod, meta.name, meta.namespace, uid=meta.uid, grace_period_seconds=0)
        except (NotFound, Conflict):
            log.debug("the mirror is gone already pod=%s/%s", meta.namespace, meta.name)

    async def _create(self, pod: Any, node: Any) -> None:
        meta = pod.metadata
        try:
            await self._client.create(mirror_of(pod, node))
        except AlreadyExists:
            # The former mirror's end, or our own creation, is still on its way to us; else another's pod has the name.
            log.info("a pod of the mirror's name exists pod=%s/%s", meta.namespace, meta.name)
