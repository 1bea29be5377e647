"""Tables of batch."""

from __future__ import annotations

from typing import Any

from sampan.aio.clock import parse_timestamp
from sampan.api.tables import AGE, CONTAINERS, IMAGES, NAME, Cells, Column, Table
from sampan.api.tables.cells import NONE, UNSET, age, at, containers, duration, is_true, selector, since


def job(obj: Any, now: float) -> Cells:
    return [
        obj.metadata.name,
        job_status(obj),
        completions(obj),
        running_time(obj, now),
        age(obj, now),
        *containers(at(obj, "spec.template")),
        selector(at(obj, "spec.selector")),
    ]


def job_status(obj: Any) -> str:
    for kind in ("Complete", "Failed"):
        if is_true(obj, kind):
            return kind
    if obj.metadata.deletionTimestamp:
        return "Terminating"
    for kind in ("Suspended", "FailureTarget"):
        if is_true(obj, kind):
            return kind
    return "Running"


def completions(obj: Any) -> str:
    succeeded, wanted = at(obj, "status.succeeded", 0), at(obj, "spec.completions")
    if wanted is not None:
        return f"{succeeded}/{wanted}"
    parallelism = at(obj, "spec.parallelism", 0)
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def running_time(obj: Any, now: float) -> str:
    start, end = at(obj, "status.startTime"), at(obj, "status.completionTime")
    if not start:
        return ""
    return duration((parse_timestamp(end) if end else now) - parse_timestamp(start))


def cron_job(obj: Any, now: float) -> Cells:
    suspend, last = at(obj, "spec.suspend"), at(obj, "status.lastScheduleTime")
    template = at(obj, "spec.jobTemplate.spec")
    return [
        obj.metadata.name,
        at(obj, "spec.schedule", ""),
        at(obj, "spec.timeZone", NONE),
        UNSET if suspend is None else str(suspend),
        len(at(obj, "status.active", ())),
        since(last, now) if last else NONE,
        age(obj, now),
        *containers(at(template, "template")),
        selector(at(template, "selector")),
    ]


JOB = (
    NAME,
    Column("Status", text="Status of the job."),
    Column("Completions", "batch.v1.JobStatus.succeeded"),
    Column("Duration", text="Time required to complete the job."),
    AGE,
    CONTAINERS,
    IMAGES,
    Column("Selector", "batch.v1.JobSpec.selector", priority=1),
)
CRON_JOB = (
    NAME,
    Column("Schedule", "batch.v1.CronJobSpec.schedule"),
    Column("Timezone", "batch.v1.CronJobSpec.timeZone"),
    Column("Suspend", "batch.v1.CronJobSpec.suspend", type="boolean"),
    Column("Active", "batch.v1.CronJobStatus.active", type="integer"),
    Column("Last Schedule", "batch.v1.CronJobStatus.lastScheduleTime"),
    AGE,
    CONTAINERS,
    IMAGES,
    Column("Selector", "batch.v1.JobSpec.selector", priority=1),
)

TABLES = {"CronJob": Table(CRON_JOB, cron_job), "Job": Table(JOB, job)}
