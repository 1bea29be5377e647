"""Telling the API what became of the pods: the newest status of each, only when it changed, by patch.

A status that is overtaken by a newer one before it was sent is never sent. While the API is away the newest waits, and
is tried again with growing delays. A pod that is over is deleted (with no grace, by uid) once its last status is
written.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any

import msgspec

from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.aio.workqueue import QueueClosed, WorkQueue
from sampan.api.errors import ApiError, Conflict, NotFound
from sampan.api.kinds import core_v1
from sampan.client.errors import ClientError
from sampan.client.interface import Client

log = logging.getLogger(__name__)
SENDERS = 8
OWNED_MERGED = ("podIPs", "hostIPs")
PASSING = ("PodResizePending", "PodResizeInProgress")
"""Conditions that are taken away when they do not hold."""
CLEARED = ("podIP", "podIPs", "reason", "message", "initContainerStatuses")


class StatusPublisher:
    """`synced` is told how long each change took to reach the API, in seconds."""

    def __init__(
        self, client: Client, clock: Clock, rng: random.Random, *, synced: Callable[[float], None] = lambda took: None
    ) -> None:
        self._client = client
        self._clock = clock
        self._queue: WorkQueue[str] = WorkQueue(clock, Backoff(base=0.2, cap=30.0, rng=rng, jitter=0.2))
        self._synced = synced
        self._waiting: dict[str, tuple[Any, Any]] = {}
        self._since: dict[str, float] = {}
        """When the first of the changes that wait came up."""
        self._told: dict[str, Any] = {}
        self._written: dict[str, int] = {}
        self._later: dict[str, Any] = {}
        self._sent: dict[str, list[asyncio.Future[None]]] = {}
        self._count = 0

    async def run(self) -> None:
        async with TaskOwner("pod status") as owner:
            for number in range(SENDERS):
                owner.start(self._send_all, name=f"sender {number}")
            await owner.wait()

    def report(self, pod: Any, status: Any) -> None:
        """Sends `status` unless it was sent already, or is what the pod had when the kubelet came."""
        uid = pod.metadata.uid
        told, self._told[uid] = self._told.get(uid), status
        if told == status or (told is None and includes(pod.status, status)):
            return
        self._waiting[uid] = (pod, status)
        self._since.setdefault(uid, self._clock.monotonic())
        self._queue.add(uid)

    def seen(self, _old: Any, pod: Any) -> None:
        """Says it again when another changed what was told, as node lifecycle does to the pods of a lost node."""
        if pod is None:
            return
        meta = pod.metadata
        told = self._told.get(meta.uid)
        if meta.uid in self._waiting:
            # Judged when the patch that is under way is done.
            self._later[meta.uid] = pod
        elif told is not None and not includes(pod.status, told) and is_newer(pod, self._written.get(meta.uid, 0)):
            self._waiting[meta.uid] = (pod, told)
            self._queue.add(meta.uid)

    async def flushed(self, uid: str) -> None:
        """Returns once nothing of the pod waits to be sent."""
        if uid in self._waiting:
            future = asyncio.get_running_loop().create_future()
            self._sent.setdefault(uid, []).append(future)
            await future

    async def delete(self, pod: Any) -> None:
        """Takes a pod that is over out of the API, trying until it is."""
        meta = pod.metadata
        failures = 0
        await self.flushed(meta.uid)
        while True:
            try:
                await self._client.delete(core_v1.Pod, meta.name, meta.namespace, uid=meta.uid, grace_period_seconds=0)
                return
            except (NotFound, Conflict):
                # Gone already, or another pod has the name by now.
                return
            except (ApiError, ClientError) as error:
                failures += 1
                log.warning("pod not deleted pod=%s/%s error=%s", meta.namespace, meta.name, error)
                await self._clock.sleep(min(0.2 * 2**failures, 30.0))

    def forget(self, uid: str) -> None:
        """The pod is gone: nothing is to be told of it any more."""
        for known in (self._told, self._written, self._later, self._waiting, self._since):
            known.pop(uid, None)
        self._release(uid)

    def statistics(self) -> dict[str, Any]:
        return {"waiting": len(self._waiting), "sent": self._count}

    async def _send_all(self) -> None:
        while True:
            try:
                uid = await self._queue.get()
            except QueueClosed:
                return
            try:
                await self._send(uid)
            finally:
                self._queue.done(uid)

    async def _send(self, uid: str) -> None:
        waiting = self._waiting.get(uid)
        if waiting is None:
            return
        pod, status = waiting
        meta = pod.metadata
        patch = {"metadata": {"uid": uid}, "status": status_patch(status)}
        try:
            after = await self._client.patch(
                core_v1.Pod, meta.name, meta.namespace, patch, type="strategic", subresource="status"
            )
            self._written[uid] = int(after.metadata.resourceVersion)
        except (NotFound, Conflict):
            log.debug("pod is gone, its status was not needed pod=%s/%s", meta.namespace, meta.name)
        except (ApiError, ClientError) as error:
            log.warning("pod status not written pod=%s/%s error=%s", meta.namespace, meta.name, error)
            self._queue.add_rate_limited(uid)
            return
        self._queue.forget(uid)
        self._count += 1
        if uid in self._since:
            self._synced(self._clock.monotonic() - self._since.pop(uid))
        if self._waiting.get(uid) is waiting:
            del self._waiting[uid]
            self._release(uid)
            self.seen(None, self._later.pop(uid, None))

    def _release(self, uid: str) -> None:
        for future in self._sent.pop(uid, ()):
            if not future.done():
                future.set_result(None)


def is_newer(pod: Any, revision: int) -> bool:
    return int(pod.metadata.resourceVersion) > revision


def status_patch(status: Any) -> dict[str, Any]:
    """A strategic merge patch: what the kubelet owns is replaced, the conditions of others stay."""
    patch: dict[str, Any] = msgspec.to_builtins(status)
    for name in OWNED_MERGED:
        if name in patch:
            patch[name] = [{"$patch": "replace"}, *patch[name]]
    for name in CLEARED:
        patch.setdefault(name, None)
    # Conditions merge by type: what a former state of one had to say would stay otherwise.
    conditions = patch.get("conditions", ())
    for condition in conditions:
        for name in ("reason", "message"):
            condition.setdefault(name, None)
    told = {condition["type"] for condition in conditions}
    patch["conditions"] = [*conditions, *({"type": t, "$patch": "delete"} for t in PASSING if t not in told)]
    return patch


def includes(known: Any, status: Any) -> bool:
    """Whether the API's status says all that `status` does, transition times of conditions aside."""
    if known is None:
        return False
    conditions = {c.type: (c.status, c.reason, c.message) for c in known.conditions or ()}
    if any(conditions.get(c.type) != (c.status, c.reason, c.message) for c in status.conditions or ()):
        return False
    if any(kind in conditions and all(c.type != kind for c in status.conditions or ()) for kind in PASSING):
        return False
    fields = [name for name in status.__struct_fields__ if name != "conditions"]
    return all(
        getattr(status, name) == getattr(known, name)
        for name in fields
        if getattr(status, name) is not None or name in CLEARED
    )
