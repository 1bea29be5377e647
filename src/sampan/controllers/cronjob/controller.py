"""The edge of the CronJob controller: gather, let `decide` say what to do, do it."""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from sampan.api.errors import AlreadyExists, ApiError, NotFound
from sampan.api.kinds import batch_v1
from sampan.client.cache import key_of
from sampan.controllers import conditions, ownership
from sampan.controllers.context import Context
from sampan.controllers.cronjob import schedule
from sampan.controllers.cronjob.decide import Decision, decide
from sampan.controllers.ownership import controller_of
from sampan.controllers.reconciler import Controller, Permanent
from sampan.controllers.replicaset.controller import by_uid, namespace_ends

log = logging.getLogger(__name__)


class CronJobController(Controller):
    name = "cronjob"
    component = "cronjob-controller"
    workers = 4
    pace = 0.2

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.crons = self.informer(batch_v1.CronJob, uid=by_uid)
        self.jobs = self.informer(batch_v1.Job, controller=ownership.by_controller)
        self.crons.add_handler(self.enqueue_self)
        self.jobs.add_handler(self._job_changed)

    def _job_changed(self, old: Any, new: Any) -> None:
        reference = controller_of(new or old)
        if reference is not None:
            for cron in self.crons.index("uid", reference.uid):
                self.enqueue(key_of(cron))

    async def reconcile(self, key: str) -> float | None:
        cron = self.crons.get(key)
        if cron is None:
            return None
        try:
            times = schedule.parse(cron.spec.schedule, cron.spec.timeZone)
        except schedule.ScheduleError as error:
            self.events.event(cron, "Warning", *_refusal(cron.spec, error))
            raise Permanent(str(error)) from error
        jobs = list(self.jobs.index("controller", cron.metadata.uid))
        decision = decide(cron, jobs, times, self.clock.now())
        await self._carry_out(cron, decision)
        return decision.look_again

    async def _carry_out(self, cron: Any, decision: Decision) -> None:
        for told in decision.told:
            self.events.event(cron, *told)
        for job in decision.delete:
            if await self.write.delete(job, propagation="Background"):
                message = f"Deleted job {job.metadata.name}"
                self.events.event(cron, "Normal", "SuccessfulDelete", message)
        if decision.create is not None:
            await self._create(cron, decision.create)
        if not conditions.same(decision.status, cron.status):
            try:
                await self.write.update_status(msgspec.structs.replace(cron, status=decision.status))
            except NotFound:
                log.debug("gone before its status was written key=%s", key_of(cron))

    async def _create(self, cron: Any, job: Any) -> None:
        try:
            await self.write.create(job)
        except AlreadyExists:
            existing = await self.write.existing(job)
            if existing is not None:
                self.jobs.observe(existing)
            return
        except ApiError as error:
            if not namespace_ends(error):
                self.events.event(cron, "Warning", "FailedCreate", f"Error creating job: {error}")
            raise
        self.events.event(cron, "Normal", "SuccessfulCreate", f"Created job {job.metadata.name}")


def _refusal(spec: Any, error: schedule.ScheduleError) -> tuple[str, str]:
    """Reason and message of the event about a schedule that means nothing."""
    if isinstance(error, schedule.UnknownZone) and spec.timeZone:
        return "UnknownTimeZone", f'invalid timeZone: "{spec.timeZone}": {error}'
    return "UnparseableSchedule", f'unparseable schedule: "{spec.schedule}" : {error}'
