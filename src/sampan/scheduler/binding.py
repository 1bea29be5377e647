"""Carrying out a decision: the binding, and for preemption the end of its victims.

A binding has one of three outcomes. It is done; or it is refused, and the pod is taken back and tried again later; or
nobody knows, because the connection broke, and then the same binding is sent again until there is an answer, since
giving the room to another pod could overfill the node.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import Any

from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock, timestamp
from sampan.api.errors import ApiError
from sampan.api.kinds import core_v1, meta_v1
from sampan.client.errors import ClientError, Unreachable
from sampan.client.events import EventRecorder
from sampan.client.interface import Client
from sampan.scheduler.book import Book
from sampan.scheduler.records import PodRecord

log = logging.getLogger(__name__)

FAULT = 'binding rejected: running Bind plugin "DefaultBinder": '
TOO_BUSY = (429, 500, 502, 503, 504)
DISRUPTED = "default-scheduler: preempting to accommodate a higher priority pod"

Done = Callable[[PodRecord], None]
Failed = Callable[[PodRecord, str], None]


class Binder:
    """`done` and `failed` are told the outcome of each binding, unless the pod is gone by then."""

    def __init__(
        self,
        *,
        client: Client,
        clock: Clock,
        rng: random.Random,
        book: Book,
        recorder: EventRecorder,
        done: Done,
        failed: Failed,
    ) -> None:
        self._client = client
        self._clock = clock
        self._backoff = Backoff(base=0.1, cap=5.0, rng=rng, jitter=0.5)
        self._book = book
        self._recorder = recorder
        self._done = done
        self._failed = failed

    async def bind(self, pod: PodRecord, node: str, node_uid: str) -> None:
        """Binds an assumed pod."""
        failures = 0
        while self._still(pod, node):
            if not self._book.table.has(node, node_uid):
                self._failed(pod, f'{FAULT}node "{node}" not found')
                return
            try:
                await self._client.create_subresource(
                    core_v1.Pod, pod.name, pod.namespace, "binding", binding_of(pod, node)
                )
            except (ApiError, ClientError) as error:
                failures += 1
                if not await self._again(pod, node, error, failures):
                    return
            else:
                self._bound(pod, node)
                return

    async def evict(self, victim: PodRecord, preemptor: PodRecord, node: str) -> None:
        """Ends a victim, saying why in its status and in an event; a victim that has gone meanwhile is fine."""
        failures = 0
        while self._book.knows(victim):
            try:
                await self._end(victim)
            except ApiError as error:
                log.info("victim not deleted pod=%s error=%s", victim.key, error)
                return
            except ClientError as error:
                failures += 1
                log.info("victim not deleted pod=%s failures=%d error=%s", victim.key, failures, error)
                await self._clock.sleep(self._backoff.delay(failures))
            else:
                message = f"Preempted by pod {preemptor.uid} on node {node}"
                self._recorder.event(victim.reference(), "Normal", "Preempted", message)
                return

    async def _end(self, victim: PodRecord) -> None:
        patch = self._disruption(victim)
        await self._client.patch(
            core_v1.Pod, victim.name, victim.namespace, patch, type="strategic", subresource="status"
        )
        await self._client.delete(core_v1.Pod, victim.name, victim.namespace, uid=victim.uid)

    def _bound(self, pod: PodRecord, node: str) -> None:
        self._recorder.event(
            pod.reference(), "Normal", "Scheduled", f"Successfully assigned {pod.namespace}/{pod.name} to {node}"
        )
        if self._book.knows(pod):
            self._done(pod)

    def _still(self, pod: PodRecord, node: str) -> bool:
        return self._book.knows(pod) and pod.hold == "assumed" and pod.node == node

    async def _again(self, pod: PodRecord, node: str, error: Exception, failures: int) -> bool:
        """After a failure: whether the same binding is to be sent again."""
        log.info("binding failed pod=%s node=%s failures=%d error=%s", pod.key, node, failures, error)
        busy = isinstance(error, ApiError) and error.code in TOO_BUSY
        if isinstance(error, Unreachable) or busy:
            await self._clock.sleep(self._backoff.delay(failures))
            return True
        if isinstance(error, ApiError) and error.code == 409 and await self._is_bound(pod, node):
            return False
        if self._still(pod, node):
            self._failed(pod, f"{FAULT}{error}")
        return False

    async def _is_bound(self, pod: PodRecord, node: str) -> bool:
        """Whether the pod has a node by now, ours (an answer that was lost) or another's choice."""
        try:
            found = await self._client.get(core_v1.Pod, pod.name, pod.namespace)
        except (ApiError, ClientError):
            return False
        if found.metadata.uid != pod.uid or not found.spec.nodeName:
            return False
        ours = found.spec.nodeName == node
        if self._book.knows(pod):
            self._book.on_pod(None, found)
            if ours:
                self._bound(pod, node)
        return True

    def _disruption(self, victim: PodRecord) -> dict[str, Any]:
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": DISRUPTED,
            "lastTransitionTime": timestamp(self._clock.now()),
            **observed(victim),
        }
        return {"metadata": {"uid": victim.uid}, "status": {"conditions": [condition]}}


def binding_of(pod: PodRecord, node: str) -> Any:
    """The `core_v1.Binding`; its uid keeps it from a namesake that was created meanwhile."""
    return core_v1.Binding(
        metadata=meta_v1.ObjectMeta(name=pod.name, namespace=pod.namespace, uid=pod.uid),
        target=core_v1.ObjectReference(kind="Node", name=node),
    )


def observed(pod: PodRecord) -> dict[str, int]:
    """The observedGeneration of a condition (KEP-5067), where the pod has a generation."""
    return {"observedGeneration": pod.generation} if pod.generation else {}
