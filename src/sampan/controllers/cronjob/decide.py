"""What a CronJob needs next. Pure.

A look finds the latest time that was due since the last one was served, however many were missed, and starts one Job
for it, unless the deadline for starting has passed or the concurrency policy forbids it. The Job's name is made from
the time, so that no time is served twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from sampan.aio.clock import parse_timestamp, timestamp
from sampan.api.kinds import batch_v1, core_v1, meta_v1
from sampan.controllers.cronjob.schedule import Every, Schedule
from sampan.controllers.job.decide import finished
from sampan.controllers.ownership import reference_to

SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
MANY_MISSED = 100
NAME_LIMIT = 52


@dataclass
class Decision:
    """`delete` are Jobs: running ones to be replaced and ended ones beyond the history. `look_again` in seconds."""

    status: Any
    create: Any = None
    delete: list[Any] = field(default_factory=list)
    told: list[tuple[str, str, str]] = field(default_factory=list)
    look_again: float | None = None


def decide(cron: Any, jobs: Sequence[Any], schedule: Schedule | Every, now: float) -> Decision:
    result = _observed(cron, jobs)
    result.delete = _beyond_history(cron, jobs)
    if cron.metadata.deletionTimestamp is not None or cron.spec.suspend:
        return result
    following = schedule.after(now)
    result.look_again = None if following is None else following - now
    due, missed = _latest_due(cron, schedule, now)
    if missed > MANY_MISSED:
        advice = "Set or decrease .spec.startingDeadlineSeconds or check clock skew"
        message = f"too many missed start times. {advice}"
        result.told.append(("Warning", "TooManyMissedTimes", message))
    if due is not None:
        _start(cron, jobs, due, now, result)
    return result


def _start(cron: Any, jobs: Sequence[Any], due: float, now: float, result: Decision) -> None:
    deadline = cron.spec.startingDeadlineSeconds
    if deadline is not None and due + deadline < now:
        at = format_datetime(datetime.fromtimestamp(due, UTC))
        result.told.append(("Warning", "MissSchedule", f"Missed scheduled time to start a job: {at}"))
        return
    job = _job(cron, due)
    if any(one.metadata.name == job.metadata.name for one in jobs):
        result.status.lastScheduleTime = timestamp(due)
        return
    running = [one for one in _active(cron, jobs) if one.metadata.deletionTimestamp is None]
    if running and cron.spec.concurrencyPolicy == "Forbid":
        message = "Not starting job because prior execution is running and concurrency policy is Forbid"
        result.told.append(("Normal", "JobAlreadyActive", message))
        return
    if cron.spec.concurrencyPolicy == "Replace":
        result.delete += running
    result.create = job
    result.status.lastScheduleTime = timestamp(due)


def _latest_due(cron: Any, schedule: Schedule | Every, now: float) -> tuple[float | None, int]:
    """The latest time due and not served, and how many were due since the last that was."""
    status = cron.status
    since = parse_timestamp((status and status.lastScheduleTime) or cron.metadata.creationTimestamp)
    if cron.spec.startingDeadlineSeconds is not None:
        since = max(since, now - cron.spec.startingDeadlineSeconds)
    latest: float | None = None
    count = 0
    moment = schedule.after(since)
    while moment is not None and moment <= now:
        latest, count = moment, count + 1
        if count > MANY_MISSED:
            return _just_before(schedule, moment, now), count
        moment = schedule.after(moment)
    return latest, count


def _just_before(schedule: Schedule | Every, moment: float, now: float) -> float:
    """The latest time up to now, found by halving: a clock that was wrong for years must not be walked through."""
    low, high = moment, now
    while high - low > 1:
        middle = (low + high) / 2
        found = schedule.after(middle)
        if found is not None and found <= now:
            low = found
        else:
            high = middle
    return low


def _job(cron: Any, due: float) -> Any:
    """The Job for a time; its name ends with that time in minutes."""
    template = cron.spec.jobTemplate
    metadata = template.metadata or meta_v1.ObjectMeta()
    return batch_v1.Job(
        metadata=meta_v1.ObjectMeta(
            name=f"{cron.metadata.name[:NAME_LIMIT]}-{int(due) // 60}",
            namespace=cron.metadata.namespace,
            labels=dict(metadata.labels or {}) or None,
            annotations={**(metadata.annotations or {}), SCHEDULED_AT: timestamp(due)},
            ownerReferences=[reference_to(cron)],
        ),
        spec=template.spec,
    )


def _active(cron: Any, jobs: Sequence[Any]) -> list[Any]:
    """The unfinished Jobs that were started for a time. One that somebody else made for the CronJob, as `kubectl create
    job --from` does, holds up no other and is not replaced."""
    known = {one.uid for one in (cron.status and cron.status.active) or ()}
    return [
        one
        for one in jobs
        if finished(one) is None and (one.metadata.uid in known or SCHEDULED_AT in (one.metadata.annotations or {}))
    ]


def _observed(cron: Any, jobs: Sequence[Any]) -> Decision:
    before = cron.status or batch_v1.CronJobStatus()
    known = {one.uid for one in before.active or ()}
    active = sorted(_active(cron, jobs), key=lambda one: one.metadata.name)
    done = [one for one in jobs if finished(one) is not None]
    succeeded = [one.status.completionTime for one in done if finished(one).type == "Complete"]
    status = batch_v1.CronJobStatus(
        active=[_reference(one) for one in active] or None,
        lastScheduleTime=before.lastScheduleTime,
        lastSuccessfulTime=max([*filter(None, succeeded), *filter(None, [before.lastSuccessfulTime])], default=None),
    )
    told = [
        ("Normal", "SawCompletedJob", f"Saw completed job: {one.metadata.name}, condition: {finished(one).type}")
        for one in done
        if one.metadata.uid in known
    ]
    told += [
        ("Warning", "UnexpectedJob", f"Saw a job that the controller did not create or forgot: {one.metadata.name}")
        for one in jobs
        if finished(one) is None and one not in active
    ]
    there = {one.metadata.uid for one in jobs}
    told += [
        ("Normal", "MissingJob", f"Active job went missing: {one.name}")
        for one in before.active or ()
        if one.uid not in there
    ]
    return Decision(status, told=told)


def _reference(job: Any) -> Any:
    meta = job.metadata
    return core_v1.ObjectReference(
        kind="Job",
        apiVersion="batch/v1",
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        resourceVersion=meta.resourceVersion,
    )


def _beyond_history(cron: Any, jobs: Sequence[Any]) -> list[Any]:
    surplus: list[Any] = []
    for type, limit, default in (
        ("Complete", cron.spec.successfulJobsHistoryLimit, 3),
        ("Failed", cron.spec.failedJobsHistoryLimit, 1),
    ):
        ended = [one for one in jobs if (end := finished(one)) is not None and end.type == type]
        ended.sort(key=lambda one: (one.status.startTime or "", one.metadata.name))
        surplus += ended[: max(0, len(ended) - (default if limit is None else limit))]
    return [one for one in surplus if one.metadata.deletionTimestamp is None]
