"""The TTL-after-finished controller: an ended Job goes `ttlSecondsAfterFinished` after its end (KEP-592)."""

from __future__ import annotations

from typing import Any

from sampan.aio.clock import parse_timestamp
from sampan.api.errors import NotFound
from sampan.api.kinds import batch_v1
from sampan.controllers.context import Context
from sampan.controllers.job.decide import finished
from sampan.controllers.reconciler import Controller


def left(job: Any, now: float) -> float | None:
    """Seconds until the Job is to go, None when it is not (yet) its turn. Pure."""
    end = finished(job)
    lifetime = job.spec.ttlSecondsAfterFinished
    if end is None or lifetime is None or job.metadata.deletionTimestamp is not None:
        return None
    return max(0.0, parse_timestamp(end.lastTransitionTime) + lifetime - now)


class TtlAfterFinishedController(Controller):
    name = "ttl-after-finished"
    component = "ttl-after-finished-controller"
    workers = 2

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.jobs = self.informer(batch_v1.Job)
        self.jobs.add_handler(self._job_changed)

    def _job_changed(self, old: Any, new: Any) -> None:
        if new is not None and left(new, 0.0) is not None:
            self.enqueue_self(old, new)

    async def reconcile(self, key: str) -> float | None:
        job = self.jobs.get(key)
        if job is None:
            return None
        remaining = left(job, self.clock.now())
        if remaining is None or remaining > 0:
            return remaining
        try:
            fresh = await self.client.get(batch_v1.Job, job.metadata.name, job.metadata.namespace)
        except NotFound:
            return None
        if fresh.metadata.uid == job.metadata.uid and left(fresh, self.clock.now()) == 0.0:
            await self.write.delete(fresh, propagation="Foreground", resource_version=fresh.metadata.resourceVersion)
        return None
