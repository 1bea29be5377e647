"""CronJob: one Job for each time, through missed times, policies and restarts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sampan.aio.clock import timestamp
from sampan.api.kinds import batch_v1, core_v1, meta_v1
from sampan.client.errors import Unreachable
from sampan.controllers.cronjob import schedule
from sampan.controllers.cronjob.controller import CronJobController
from sampan.controllers.garbage.controller import GarbageCollector
from sampan.controllers.ttl import TtlAfterFinishedController
from tests.unit.controllers.harness import World, defaulted, meta, template, world


def cronjob(expression: str = "*/5 * * * *", **spec: Any) -> Any:
    made = batch_v1.JobTemplateSpec(spec=batch_v1.JobSpec(template=template()))
    return defaulted(
        batch_v1.CronJob(
            metadata=meta("tick"), spec=batch_v1.CronJobSpec(schedule=expression, jobTemplate=made, **spec)
        )
    )


def jobs(w: World) -> list[str]:
    return [j.metadata.name for j in w.api.all(batch_v1.Job)]


def finish(w: World, type: str = "Complete") -> None:
    now = timestamp(w.clock.now())
    for name in jobs(w):
        done = batch_v1.JobCondition(type=type, status="True", lastTransitionTime=now)

        def mutate(job: Any, done: Any = done) -> None:
            if not (job.status and job.status.conditions):
                job.status = batch_v1.JobStatus(conditions=[done], startTime=now, completionTime=now)

        w.api.change(batch_v1.Job, name, "a", mutate)


async def test_a_job_for_each_time() -> None:
    async with world(CronJobController) as w:
        await w.api.create(cronjob())
        await w.settle(290)
        assert jobs(w) == []
        await w.settle(15)
        assert jobs(w) == [f"tick-{1_767_225_900 // 60}"]
        job = w.api.all(batch_v1.Job)[0]
        assert job.metadata.annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"] == "2026-01-01T00:05:00Z"
        cron = w.api.peek(batch_v1.CronJob, "tick", "a")
        assert cron.status.lastScheduleTime == "2026-01-01T00:05:00Z"
        assert [r.name for r in cron.status.active] == jobs(w)
        await w.settle(600)
        assert len(jobs(w)) == 3


async def test_only_so_many_ended_jobs_are_kept() -> None:
    async with world(CronJobController) as w:
        await w.api.create(cronjob("* * * * *", successfulJobsHistoryLimit=2))
        for _ in range(6):
            await w.settle(60)
            finish(w)
        await w.settle(1)
        assert len(jobs(w)) == 2
        assert w.api.peek(batch_v1.CronJob, "tick", "a").status.lastSuccessfulTime


@pytest.mark.parametrize(("policy", "count"), [("Allow", 3), ("Forbid", 1), ("Replace", 1)])
async def test_concurrency_policies(policy: str, count: int) -> None:
    async with world(CronJobController) as w:
        await w.api.create(cronjob("* * * * *", concurrencyPolicy=policy))
        await w.settle(185)
        assert len(jobs(w)) == count
        last = jobs(w)[-1]
        assert (last == f"tick-{(1_767_225_600 + 180) // 60}") == (policy != "Forbid")


@pytest.mark.parametrize("policy", ["Forbid", "Replace"])
async def test_a_job_that_somebody_made_holds_up_nothing(policy: str) -> None:
    """As `kubectl create job --from=cronjob/tick` does; it is told of and otherwise left alone."""
    async with world(CronJobController) as w:
        cron = await w.api.create(cronjob("*/5 * * * *", concurrencyPolicy=policy))
        owner = meta_v1.OwnerReference(
            apiVersion="batch/v1", kind="CronJob", name="tick", uid=cron.metadata.uid, controller=True
        )
        note = {"cronjob.kubernetes.io/instantiate": "manual"}
        spec = cron.spec.jobTemplate.spec
        w.api.add(batch_v1.Job(metadata=meta("mine", ownerReferences=[owner], annotations=note), spec=spec))
        await w.settle(1)
        assert not w.api.peek(batch_v1.CronJob, "tick", "a").status.active
        assert [reason for _, reason, _ in w.told("CronJob")] == ["UnexpectedJob"]
        await w.settle(300)
        assert len(jobs(w)) == 2
        finish(w)
        await w.settle(1)
        seen = [message for _, reason, message in w.told("CronJob") if reason == "SawCompletedJob"]
        assert not any("mine" in message for message in seen)


async def test_what_was_missed_while_it_was_away_is_started_once() -> None:
    async with world(CronJobController) as w:
        await w.api.create(cronjob("* * * * *"))
        await w.settle(65)
        await w.stop()
        await w.clock.advance(3600 * 30)
        await w.start()
        assert len(jobs(w)) == 2
        assert jobs(w)[-1] == f"tick-{int(w.clock.now()) // 60}"
        assert "TooManyMissedTimes" in [e.reason for e in w.api.all(core_v1.Event)]


async def test_a_starting_deadline_lets_a_missed_time_go() -> None:
    async with world(CronJobController) as w:
        await w.api.create(cronjob("0 * * * *", startingDeadlineSeconds=30))
        await w.stop()
        await w.clock.advance(3600 + 300)
        await w.start()
        assert jobs(w) == []


async def test_suspended_it_starts_nothing() -> None:
    async with world(CronJobController) as w:
        await w.api.create(cronjob("* * * * *", suspend=True))
        await w.settle(600)
        assert jobs(w) == []


async def test_a_lost_answer_starts_no_second_job() -> None:
    async with world(CronJobController) as w:
        await w.api.create(cronjob("0 * * * *"))
        w.api.fail("create", "jobs", Unreachable("reset"), after=True)
        w.api.fail("update", "cronjobs", Unreachable("reset"), times=2)
        await w.settle(3660)
        assert len(jobs(w)) == 1


async def test_a_bad_schedule_is_told_and_not_retried() -> None:
    async with world(CronJobController) as w:
        await w.api.create(cronjob("61 * * * *"))
        await w.settle(60)
        assert [e.reason for e in w.api.all(core_v1.Event)] == ["UnparseableSchedule"]


async def test_ended_jobs_go_after_their_time() -> None:
    async with world(TtlAfterFinishedController, GarbageCollector) as w:
        for name, seconds in (("short", 10), ("long", 100), ("kept", None)):
            spec = batch_v1.JobSpec(template=template(), ttlSecondsAfterFinished=seconds)
            await w.api.create(batch_v1.Job(metadata=meta(name), spec=spec))
        await w.settle(1000)
        assert len(jobs(w)) == 3
        finish(w)
        await w.settle(20)
        assert jobs(w) == ["kept", "long"]
        await w.settle(100)
        assert jobs(w) == ["kept"]


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        ("*/15 * * * *", None, "2026-01-01T00:00:00", "2026-01-01T00:15:00"),
        ("0 9 * * mon-fri", None, "2026-01-02T10:00:00", "2026-01-05T09:00:00"),
        ("30 4 1,15 * 5", None, "2026-01-01T05:00:00", "2026-01-02T04:30:00"),
        ("0 0 29 2 *", None, "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("0 0 * * sun", None, "2026-01-01T00:00:00", "2026-01-04T00:00:00"),
        ("5-10/3 1 * jan,MAR ?", None, "2026-01-31T23:00:00", "2026-03-01T01:05:00"),
        ("0 0 */2 * 1", None, "2026-01-01T00:00:00", "2026-01-03T00:00:00"),
        ("0 0 */1 * 1", None, "2026-01-01T00:00:00", "2026-01-05T00:00:00"),
        ("@hourly", None, "2026-01-01T00:00:01", "2026-01-01T01:00:00"),
        ("0 12 * * *", "Europe/Berlin", "2026-07-01T00:00:00", "2026-07-01T10:00:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00", "2026-03-30T00:30:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00", "2026-10-25T00:30:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00", "2026-10-25T01:30:00"),
        ("0 * * * *", "Europe/Berlin", "2026-10-25T00:00:00", "2026-10-25T01:00:00"),
        ("*/20 * * * *", "Europe/Berlin", "2026-03-29T00:50:00", "2026-03-29T01:00:00"),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T14:45:00", "2026-04-04T15:15:00"),
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T14:00:00", "2026-10-04T15:15:00"),
        ("@every 1h30m", None, "2026-01-01T00:00:00", "2026-01-01T01:30:00"),
    ],
)
def test_times(expression: str, zone: str | None, after: str, expected: str) -> None:
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC).timestamp()
    found = schedule.parse(expression, zone).after(moment)
    assert found is not None
    assert timestamp(found) == f"{expected}Z"


@pytest.mark.parametrize(
    "text", ["", "* * * *", "60 * * * *", "* 24 * * *", "5-1 * * * *", "*/0 * * * *", "x * * * *", "0 0 * * 7"]
)
def test_bad_expressions(text: str) -> None:
    with pytest.raises(schedule.ScheduleError):
        schedule.parse(text)


def test_an_unknown_zone() -> None:
    with pytest.raises(schedule.ScheduleError, match="unknown time zone"):
        schedule.parse("* * * * *", "Mars/Olympus")
