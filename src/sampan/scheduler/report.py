"""Telling the world that a pod cannot be placed: its PodScheduled condition, and a FailedScheduling event.

The condition is written only when its text changes. Of several reports on one pod the last counts, so a pod that is
tried often costs one write at a time.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock, timestamp
from sampan.api.errors import ApiError
from sampan.api.kinds import core_v1
from sampan.client.errors import ClientError
from sampan.client.events import EventRecorder
from sampan.client.interface import Client
from sampan.scheduler.binding import observed
from sampan.scheduler.outbox import Outbox
from sampan.scheduler.records import PodRecord

log = logging.getLogger(__name__)

UNSCHEDULABLE = "Unschedulable"
SCHEDULER_ERROR = "SchedulerError"


GONE = (404, 409)
"""The pod does not exist, or only a namesake does."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`then` is done once it is written, unless the pod is gone or somebody else's by then."""

    reason: str
    message: str
    nominated: str
    then: Callable[[], None] = lambda: None


class Reporter:
    def __init__(
        self, *, client: Client, clock: Clock, rng: random.Random, recorder: EventRecorder, outbox: Outbox
    ) -> None:
        self._client = client
        self._clock = clock
        self._recorder = recorder
        self._outbox = outbox
        self._backoff = Backoff(base=0.1, cap=5.0, rng=rng, jitter=0.5)
        self._latest: dict[str, Verdict] = {}

    def failed(
        self,
        pod: PodRecord,
        message: str,
        *,
        reason: str = UNSCHEDULABLE,
        nominated: str | None = None,
        then: Callable[[], None] = lambda: None,
    ) -> None:
        """A pod was not placed; `nominated` is the node that room is made on, "" to take a nomination back, None to
        leave it; `then` is done once all this can be read."""
        self._recorder.event(pod.reference(), "Warning", "FailedScheduling", message)
        if nominated is None:
            nominated = pod.nominated
        if pod.told == message and pod.nominated == nominated:
            then()
            return
        pod.told = message
        pod.nominated = nominated
        waiting = self._latest.get(pod.uid)
        self._latest[pod.uid] = Verdict(reason, message, nominated, then)
        if waiting is not None:
            waiting.then()
        else:
            self._outbox.put(lambda: self._write(pod))

    async def _write(self, pod: PodRecord) -> None:
        """Writes the latest verdict, however long the server cannot be reached."""
        failures = 0
        verdict: Verdict | None = None
        while True:
            verdict = self._latest.pop(pod.uid, verdict)
            assert verdict is not None
            patch = self._patch(pod, verdict)
            try:
                await self._client.patch(
                    core_v1.Pod, pod.name, pod.namespace, patch, type="strategic", subresource="status"
                )
            except ApiError as error:
                log.info("condition not written pod=%s error=%s", pod.key, error)
                if error.code not in GONE:
                    verdict.then()
                return
            except ClientError as error:
                failures += 1
                log.warning("condition not written pod=%s failures=%d error=%s", pod.key, failures, error)
                await self._clock.sleep(self._backoff.delay(failures))
            else:
                verdict.then()
                return

    def _patch(self, pod: PodRecord, verdict: Verdict) -> dict[str, Any]:
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": verdict.reason,
            "message": verdict.message,
            "lastProbeTime": None,
            "lastTransitionTime": timestamp(self._clock.now()),
            **observed(pod),
        }
        status: dict[str, Any] = {"conditions": [condition], "nominatedNodeName": verdict.nominated or None}
        return {"metadata": {"uid": pod.uid}, "status": status}
