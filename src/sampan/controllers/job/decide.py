"""What a Job needs next. Pure.

The end of a Job is told in two steps: SuccessCriteriaMet or FailureTarget as soon as it is certain and before anything
is done about it, then Complete or Failed when the last of its pods has ended, is counted and has lost its finalizer
(KEP-3998, KEP-3939). Pods that are taken away while the Job goes on (suspended, or with less parallelism) lose it
first: that they end is no failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sampan.aio.clock import parse_timestamp, timestamp
from sampan.api.kinds import batch_v1
from sampan.controllers import conditions
from sampan.controllers.job import indexes, policies
from sampan.controllers.job.sizing import Sizing, Trouble
from sampan.controllers.job.tally import VERDICTS, is_indexed, tally, verdict
from sampan.controllers.pods import ENDED, is_active, is_ready, is_terminating, phase

ENDS = ("Complete", "Failed")
TOO_MANY = ("Warning", "TooManySucceededPods", "Too many succeeded pods running after completion count reached")


@dataclass
class Decision:
    """`create` are completion indexes, None each for a Job without; `withdraw` pods that are deleted and do not count;
    `release` pods whose finalizer goes after the status is written; `told` events as (type, reason, message); `urgent`
    that the status must be written now, since what it counts is not to be seen as new again."""

    status: Any
    create: list[int | None] = field(default_factory=list)
    delete: list[Any] = field(default_factory=list)
    withdraw: list[Any] = field(default_factory=list)
    release: list[Any] = field(default_factory=list)
    told: list[tuple[str, str, str]] = field(default_factory=list)
    urgent: bool = False
    look_again: float | None = None


def finished(job: Any) -> Any:
    """The condition Complete or Failed when it is true, else None."""
    told = job.status.conditions if job.status else None
    return next((conditions.find(told, type) for type in ENDS if conditions.is_true(told, type)), None)


def decide(job: Any, pods: Sequence[Any], trouble: Trouble, now: float) -> Decision:
    if finished(job) is not None:
        release = [pod for pod in pods if phase(pod) in ENDED or pod.metadata.deletionTimestamp is not None]
        return Decision(job.status, release=release, delete=[pod for pod in pods if is_active(pod)])
    return _Step(job, pods, trouble, now).decision()


class _Step:
    def __init__(self, job: Any, pods: Sequence[Any], trouble: Trouble, now: float) -> None:
        self.job = job
        self.now = now
        self.trouble = trouble
        self.tally = tally(job, pods)
        trouble.note(self.tally, now)
        self.active = [pod for pod in pods if is_active(pod)]
        self.terminating = [pod for pod in pods if is_terminating(pod)]
        before = job.status or batch_v1.JobStatus()
        self.result = Decision(
            batch_v1.JobStatus(
                startTime=before.startTime,
                completionTime=before.completionTime,
                conditions=list(before.conditions or ()),
            )
        )
        self.result.release = self.tally.release
        self.result.urgent = bool(self.tally.fresh_failures)
        self.waits: list[float] = []

    def decision(self) -> Decision:
        status = self.result.status
        suspended = bool(self.job.spec.suspend)
        if status.startTime is None and not suspended:
            status.startTime = timestamp(self.now)
        self._verdict()
        outcome = self._pending_outcome()
        going = self.job.metadata.deletionTimestamp is not None
        if outcome is not None:
            self.result.delete = self.active if verdict(self.job) else []
        elif suspended:
            self.result.withdraw = self.active
        elif not going:
            sizing = Sizing(self.job, self.active, self.terminating, self.tally, self.trouble, self.now)
            self.result.create, self.result.withdraw = sizing.create, sizing.withdraw
            self.waits += sizing.waits
        if outcome is None:
            self._suspension(suspended)
        self._fill_in(outcome)
        unfinished = self.tally.overflow or (outcome is not None and (self.tally.release or not verdict(self.job)))
        self.result.look_again = 0.0 if unfinished else min(self.waits, default=None)
        return self.result

    # -- is it over? ---------------------------------------------------------------------------------------------

    def _verdict(self) -> None:
        """Sets SuccessCriteriaMet or FailureTarget when the Job's fate is certain and not yet told."""
        if self._pending_outcome() is not None:
            return
        failure = self._failure()
        if failure is not None:
            self._condition("FailureTarget", *failure)
            return
        if is_indexed(self.job):
            message = policies.succeeded(self.job, self.tally.completed)
            if message:
                self._condition("SuccessCriteriaMet", "SuccessPolicy", message)
                return
        if self._complete():
            message = "Reached expected number of succeeded pods"
            self._condition("SuccessCriteriaMet", "CompletionsReached", message)

    def _failure(self) -> tuple[str, str] | None:
        spec = self.job.spec
        if self.tally.fatal:
            return "PodFailurePolicy", self.tally.fatal
        limit = 6 if spec.backoffLimit is None else spec.backoffLimit
        if self.tally.all_failed > limit or self._restarts() >= max(limit, 1):
            return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        start = self.result.status.startTime
        if spec.activeDeadlineSeconds is not None and start is not None and not spec.suspend:
            left = parse_timestamp(start) + spec.activeDeadlineSeconds - self.now
            if left <= 0:
                return "DeadlineExceeded", "Job was active longer than specified deadline"
            self.waits.append(left)
        return self._failed_indexes()

    def _failed_indexes(self) -> tuple[str, str] | None:
        failed = self.tally.failed_indexes
        maximum = self.job.spec.maxFailedIndexes
        if maximum is not None and len(failed) > maximum:
            return "MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes"
        if failed and len(failed) + len(self.tally.completed) >= (self.job.spec.completions or 0):
            return "FailedIndexes", "Job has failed indexes"
        return None

    def _restarts(self) -> int:
        """How often containers were restarted in place, where that counts."""
        if self.job.spec.template.spec.restartPolicy != "OnFailure":
            return 0
        statuses = [pod.status for pod in (*self.active, *self.terminating) if pod.status]
        found = [one for s in statuses for one in (*(s.initContainerStatuses or ()), *(s.containerStatuses or ()))]
        return sum(one.restartCount or 0 for one in found)

    def _complete(self) -> bool:
        completions = self.job.spec.completions
        if completions is None:
            return self.tally.all_succeeded > 0 and not self.active and not self.terminating
        return self.tally.all_succeeded >= completions

    def _pending_outcome(self) -> Any:
        told = self.result.status.conditions
        return next((conditions.find(told, type) for type in VERDICTS if conditions.is_true(told, type)), None)

    def _condition(self, type: str, reason: str, message: str, value: str = "True") -> None:
        status = self.result.status
        status.conditions = conditions.put(
            status.conditions, batch_v1.JobCondition, type, value, reason, message, self.now
        )
        one = conditions.find(status.conditions, type)
        one.lastProbeTime = one.lastProbeTime or timestamp(self.now)

    # -- what to tell --------------------------------------------------------------------------------------------

    def _suspension(self, suspended: bool) -> None:
        status = self.result.status
        told = conditions.find(status.conditions, "Suspended")
        if suspended and (told is None or told.status != "True"):
            self._condition("Suspended", "JobSuspended", "Job suspended")
            self.result.told.append(("Normal", "Suspended", "Job suspended"))
        elif not suspended and told is not None and told.status == "True":
            self._condition("Suspended", "JobResumed", "Job resumed", "False")
            status.startTime = timestamp(self.now)
            self.result.told.append(("Normal", "Resumed", "Job resumed"))
        if suspended:
            status.startTime = None

    def _fill_in(self, outcome: Any) -> None:
        status, counted = self.result.status, self.tally
        status.active = len(self.active) or None
        status.ready = sum(map(is_ready, self.active))
        status.terminating = len(self.terminating)
        status.succeeded = counted.succeeded or None
        status.failed = counted.failed or None
        status.completedIndexes = indexes.write(counted.completed) or None
        if self.job.spec.backoffLimitPerIndex is not None:
            status.failedIndexes = indexes.write(counted.failed_indexes)
        status.uncountedTerminatedPods = batch_v1.UncountedTerminatedPods(
            succeeded=counted.listed_succeeded or None, failed=counted.listed_failed or None
        )
        if outcome is None or self.active or self.terminating or counted.release or counted.overflow:
            return
        if outcome.type == "FailureTarget":
            self._condition("Failed", outcome.reason, outcome.message)
            self.result.told.append(("Warning", outcome.reason, outcome.message))
        else:
            self._condition("Complete", outcome.reason, outcome.message)
            status.completionTime = timestamp(self.now)
            if self.job.spec.completions is not None and counted.succeeded > self.job.spec.completions:
                self.result.told.append(TOO_MANY)
            self.result.told.append(("Normal", "Completed", "Job completed"))
