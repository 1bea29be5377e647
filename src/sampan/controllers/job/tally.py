"""Counting ended pods, each exactly once, whatever is lost or deleted meanwhile. Pure.

Every pod of a Job carries a finalizer, so it cannot vanish uncounted. An ended pod's uid is first written into the
status (`uncountedTerminatedPods`); then its finalizer is taken away; and once a pod listed there has no finalizer any
more, it moves from the list into the count. A crash between any two of these steps repeats a step and changes nothing
(KEP-2307). Successes of an indexed Job need no list: the set of completed indexes counts each once by itself.

Where each index has a limit of its own, the last failed pod of an index keeps its finalizer and stays uncounted until
another takes its place: it alone knows how often the index has failed (KEP-3850). A Job that has failed counts the
pods it takes away as failed, one that has succeeded early does not count them at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sampan.controllers import conditions
from sampan.controllers.job import indexes, policies
from sampan.controllers.pods import ENDED, is_active, phase

FINALIZER = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count"
VERDICTS = ("FailureTarget", "SuccessCriteriaMet")
BATCH = 500
"""Most uids in the status at once; the rest is counted in the next round."""


@dataclass
class Tally:
    """Counts so far, the uids still listed, and the pods whose finalizer may go once this is written. `waiting` are the
    failed pods, by index, that are counted once they are replaced.

    `fresh_failures` and `fresh_successes` were seen for the first time now; `fatal` is the message of a failure policy
    rule that fails the whole Job.
    """

    succeeded: int
    failed: int
    completed: set[int]
    failed_indexes: set[int]
    listed_succeeded: list[str] = field(default_factory=list)
    listed_failed: list[str] = field(default_factory=list)
    release: list[Any] = field(default_factory=list)
    fresh_failures: list[Any] = field(default_factory=list)
    fresh_successes: int = 0
    waiting: dict[int, Any] = field(default_factory=dict)
    fatal: str = ""
    overflow: bool = False

    @property
    def all_succeeded(self) -> int:
        return self.succeeded + len(self.listed_succeeded)

    @property
    def all_failed(self) -> int:
        return self.failed + len(self.listed_failed) + len(self.waiting)


def is_indexed(job: Any) -> bool:
    return job.spec.completionMode == "Indexed"


def index_of(pod: Any) -> int | None:
    text = (pod.metadata.annotations or {}).get(INDEX, "")
    return int(text) if text.isdecimal() else None


def tracked(pod: Any) -> bool:
    return FINALIZER in (pod.metadata.finalizers or ())


def verdict(job: Any) -> str:
    """ "FailureTarget" or "SuccessCriteriaMet" once the status says so, else ""."""
    told = job.status.conditions if job.status else None
    return next((type for type in VERDICTS if conditions.is_true(told, type)), "")


def has_failed(job: Any, pod: Any) -> bool:
    """Ended badly; or being deleted, unless the Job replaces only pods that have really ended, or is successful."""
    if phase(pod) == "Failed":
        return True
    if pod.metadata.deletionTimestamp is None or phase(pod) == "Succeeded":
        return False
    outcome = verdict(job)
    only_ended = job.spec.podReplacementPolicy == "Failed" or job.spec.podFailurePolicy is not None
    return outcome == "FailureTarget" or not (outcome or only_ended)


def tally(job: Any, pods: Sequence[Any]) -> Tally:
    status = job.status
    limit = job.spec.completions if is_indexed(job) else None
    result = Tally(
        succeeded=(status.succeeded if status else None) or 0,
        failed=(status.failed if status else None) or 0,
        completed=indexes.parse(status.completedIndexes if status else None, limit),
        failed_indexes=indexes.parse(status.failedIndexes if status else None, limit),
    )
    listed = status.uncountedTerminatedPods if status else None
    by_uid = {pod.metadata.uid: pod for pod in pods}
    for uid in (listed.succeeded if listed else None) or ():
        result.succeeded += _settle(uid, by_uid, result.listed_succeeded, result.release)
    for uid in (listed.failed if listed else None) or ():
        result.failed += _settle(uid, by_uid, result.listed_failed, result.release)
    known = {*result.listed_succeeded, *result.listed_failed}
    fresh = [pod for pod in pods if tracked(pod) and pod.metadata.uid not in known]
    for pod in fresh:
        if phase(pod) == "Succeeded":
            _succeed(job, pod, limit, result)
    failed = [pod for pod in fresh if has_failed(job, pod)]
    for pod in failed:
        _judge(job, pod, limit, result)
    result.waiting = _to_be_replaced(job, failed, pods, result)
    waiting = {pod.metadata.uid for pod in result.waiting.values()}
    for pod in failed:
        if pod.metadata.uid not in waiting:
            _fail(job, pod, result)
    if verdict(job) == "SuccessCriteriaMet":
        result.release += [pod for pod in fresh if pod.metadata.deletionTimestamp and phase(pod) not in ENDED]
    return result


def _settle(uid: str, by_uid: dict[str, Any], listed: list[str], release: list[Any]) -> int:
    """1 when the pod has lost its finalizer and so counts for good; else it stays listed."""
    pod = by_uid.get(uid)
    if pod is None or not tracked(pod):
        return 1
    listed.append(uid)
    release.append(pod)
    return 0


def _is_full(result: Tally) -> bool:
    result.overflow |= len(result.listed_succeeded) + len(result.listed_failed) >= BATCH
    return result.overflow


def _succeed(job: Any, pod: Any, limit: int | None, result: Tally) -> None:
    if not is_indexed(job):
        if _is_full(result):
            return
        result.listed_succeeded.append(pod.metadata.uid)
        result.fresh_successes += 1
    result.release.append(pod)
    index = index_of(pod)
    if is_indexed(job):
        if index is not None and index < (limit or 0) and index not in result.failed_indexes:
            result.fresh_successes += index not in result.completed
            result.completed.add(index)
        result.succeeded = len(result.completed)


def _judge(job: Any, pod: Any, limit: int | None, result: Tally) -> None:
    """What a failure means for the Job and for its index."""
    action, message = policies.action(job, pod)
    if action == "FailJob":
        result.fatal = result.fatal or message
    allowed, index = job.spec.backoffLimitPerIndex, index_of(pod)
    if index is None or index >= (limit or 0) or index in result.completed or allowed is None:
        return
    if action == "FailIndex" or failures_with(job, pod)[0] > allowed:
        result.failed_indexes.add(index)


def _to_be_replaced(job: Any, failed: Sequence[Any], pods: Sequence[Any], result: Tally) -> dict[int, Any]:
    """The last failed pod of each index that another pod is yet to be made for."""
    if job.spec.backoffLimitPerIndex is None or verdict(job) or job.metadata.deletionTimestamp is not None:
        return {}
    taken = {index_of(pod) for pod in pods if is_active(pod)} | result.completed | result.failed_indexes
    last: dict[int, Any] = {}
    for pod in sorted(failed, key=failures_before):
        index = index_of(pod)
        if index is not None and index < (job.spec.completions or 0) and index not in taken:
            last[index] = pod
    return last


def _fail(job: Any, pod: Any, result: Tally) -> None:
    if policies.action(job, pod)[0] == "Ignore":
        result.release.append(pod)
    elif not _is_full(result):
        result.release.append(pod)
        result.listed_failed.append(pod.metadata.uid)
        result.fresh_failures.append(pod)


def failures_by_index(job: Any, pods: Sequence[Any]) -> dict[int, tuple[int, int]]:
    """How often each index that has a pod has failed, if all its pods have; and how often that was ignored."""
    found: dict[int, tuple[int, int]] = {}
    for pod in pods:
        index = index_of(pod)
        if index is not None:
            found[index] = max(found.get(index, (0, 0)), failures_with(job, pod), key=sum)
    return found


def failures_before(pod: Any) -> tuple[int, int]:
    """How often the pod's index had failed before this pod was made: what counted, and what was ignored."""
    annotations = pod.metadata.annotations or {}
    counted, ignored = (annotations.get(name, "0") for name in (FAILURES, IGNORED))
    return int(counted) if counted.isdecimal() else 0, int(ignored) if ignored.isdecimal() else 0


def failures_with(job: Any, pod: Any) -> tuple[int, int]:
    """The same with this pod's own failure."""
    counted, ignored = failures_before(pod)
    return (counted, ignored + 1) if policies.action(job, pod)[0] == "Ignore" else (counted + 1, ignored)
