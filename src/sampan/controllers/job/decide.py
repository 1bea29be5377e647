"""What a Job needs next. Pure.

The end of a Job is told in two steps: SuccessCriteriaMet or FailureTarget as soon as it is certain, then Complete or
Failed when the last of its pods has ended and is counted (KEP-3998, KEP-3939).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sampan.aio.clock import parse_timestamp, timestamp
from sampan.api.kinds import batch_v1
from sampan.controllers import conditions
from sampan.controllers.job import indexes, policies
from sampan.controllers.job.tally import Tally, index_of, is_indexed, tally
from sampan.controllers.pods import ENDED, is_active, is_ready, is_terminating, phase
from sampan.controllers.replicaset import ranking

BURST = 500
BACKOFF_BASE_SECONDS = 10.0
BACKOFF_CAP_SECONDS = 600.0


@dataclass
class Trouble:
    """Failures in a row, as this process has seen them: what new pods are delayed by."""

    count: int = 0
    last: float = 0.0
    by_index: dict[int, tuple[int, float]] = field(default_factory=dict)

    def note(self, result: Tally, now: float) -> None:
        if result.fresh_successes:
            self.count = 0
        for pod in result.fresh_failures:
            self.count += 1
            self.last = now
            index = index_of(pod)
            if index is not None:
                self.by_index[index] = (self.by_index.get(index, (0, 0.0))[0] + 1, now)

    def wait(self, now: float) -> float:
        return _wait(self.count, self.last, now)

    def wait_for_index(self, index: int, now: float) -> float:
        return _wait(*self.by_index.get(index, (0, 0.0)), now)


def _wait(count: int, last: float, now: float) -> float:
    if not count:
        return 0.0
    delay = min(BACKOFF_BASE_SECONDS * 2.0 ** min(count - 1, 30), BACKOFF_CAP_SECONDS)
    return max(0.0, last + delay - now)


@dataclass
class Decision:
    """`create` are completion indexes, None each for a Job without; `release` pods whose finalizer goes after the
    status is written; `told` events as (type, reason, message); `urgent` that the status must be written now, since
    what it counts is not to be seen as new again."""

    status: Any
    create: list[int | None] = field(default_factory=list)
    delete: list[Any] = field(default_factory=list)
    release: list[Any] = field(default_factory=list)
    told: list[tuple[str, str, str]] = field(default_factory=list)
    urgent: bool = False
    look_again: float | None = None


def finished(job: Any) -> Any:
    """The condition Complete or Failed when it is true, else None."""
    for type in ("Complete", "Failed"):
        found = conditions.find(job.status.conditions if job.status else None, type)
        if found is not None and found.status == "True":
            return found
    return None


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
        if outcome is not None or suspended:
            self.result.delete = self.active
        elif not going:
            self._size()
        if outcome is None:
            self._suspension(suspended)
        self._fill_in(outcome)
        self.result.look_again = 0.0 if self.tally.overflow else min(self.waits, default=None)
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
        if self._failures() > limit:
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

    def _failures(self) -> int:
        """Failed pods and, where containers restart in place, their restarts."""
        restarts = 0
        if self.job.spec.template.spec.restartPolicy == "OnFailure":
            for pod in self.active:
                restarts += sum(s.restartCount or 0 for s in (pod.status and pod.status.containerStatuses) or ())
        return self.tally.all_failed + restarts

    def _complete(self) -> bool:
        completions = self.job.spec.completions
        if completions is None:
            return self.tally.all_succeeded > 0 and not self.active and not self.terminating
        return self.tally.all_succeeded >= completions

    def _pending_outcome(self) -> Any:
        for type in ("FailureTarget", "SuccessCriteriaMet"):
            found = conditions.find(self.result.status.conditions, type)
            if found is not None and found.status == "True":
                return found
        return None

    def _condition(self, type: str, reason: str, message: str, value: str = "True") -> None:
        status = self.result.status
        status.conditions = conditions.put(
            status.conditions, batch_v1.JobCondition, type, value, reason, message, self.now
        )
        one = conditions.find(status.conditions, type)
        one.lastProbeTime = one.lastProbeTime or timestamp(self.now)

    # -- how many pods? ------------------------------------------------------------------------------------------

    def _size(self) -> None:
        """Pods to create or delete so that as many run as are wanted."""
        spec = self.job.spec
        parallelism = 1 if spec.parallelism is None else spec.parallelism
        if spec.completions is None:
            wanted = len(self.active) if self.tally.all_succeeded else parallelism
            wanted = min(wanted, parallelism)
        else:
            left = spec.completions - self.tally.all_succeeded - len(self.tally.failed_indexes)
            wanted = max(0, min(parallelism, left))
        surplus = len(self.active) - wanted
        if surplus > 0:
            self.result.delete = ranking.to_delete(surplus, self.active, self.active, self.now)
            return
        held = len(self.terminating) if self._replaces_only_ended() else 0
        missing = min(-surplus - held, BURST)
        if missing <= 0:
            return
        if is_indexed(self.job):
            self._create_indexes(missing)
            return
        wait = self.trouble.wait(self.now)
        if wait:
            self.waits.append(wait)
        else:
            self.result.create = [None] * missing

    def _create_indexes(self, missing: int) -> None:
        taken = {index_of(pod) for pod in self.active} | self.tally.completed | self.tally.failed_indexes
        if self._replaces_only_ended():
            taken |= {index_of(pod) for pod in self.terminating}
        per_index = self.job.spec.backoffLimitPerIndex is not None
        shared = 0.0 if per_index else self.trouble.wait(self.now)
        for index in range(self.job.spec.completions or 0):
            if len(self.result.create) >= missing:
                return
            if index in taken:
                continue
            wait = self.trouble.wait_for_index(index, self.now) if per_index else shared
            if wait:
                self.waits.append(wait)
            else:
                self.result.create.append(index)

    def _replaces_only_ended(self) -> bool:
        return self.job.spec.podReplacementPolicy == "Failed" or self.job.spec.podFailurePolicy is not None

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
        settled = not (counted.listed_succeeded or counted.listed_failed or counted.overflow)
        if outcome is None or self.active or self.terminating or not settled:
            return
        if outcome.type == "FailureTarget":
            self._condition("Failed", outcome.reason, outcome.message)
            self.result.told.append(("Warning", outcome.reason, outcome.message))
        else:
            self._condition("Complete", outcome.reason, outcome.message)
            status.completionTime = timestamp(self.now)
            self.result.told.append(("Normal", "Completed", "Job completed"))
