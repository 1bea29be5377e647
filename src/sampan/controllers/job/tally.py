"""Counting ended pods, each exactly once, whatever is lost or deleted meanwhile. Pure.

Every pod of a Job carries a finalizer, so it cannot vanish uncounted. An ended pod's uid is first written into the
status (`uncountedTerminatedPods`); then its finalizer is taken away; and once a pod listed there has no finalizer any
more, it moves from the list into the count. A crash between any two of these steps repeats a step and changes nothing
(KEP-2307). Successes of an indexed Job need no list: the set of completed indexes counts each once by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sampan.controllers.job import indexes, policies
from sampan.controllers.pods import phase

FINALIZER = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
BATCH = 500
"""Most uids in the status at once; the rest is counted in the next round."""


@dataclass
class Tally:
    """Counts so far, the uids still listed, and the pods whose finalizer may go once this is written.

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
    fatal: str = ""
    overflow: bool = False

    @property
    def all_succeeded(self) -> int:
        return self.succeeded + len(self.listed_succeeded)

    @property
    def all_failed(self) -> int:
        return self.failed + len(self.listed_failed)


def is_indexed(job: Any) -> bool:
    return job.spec.completionMode == "Indexed"


def index_of(pod: Any) -> int | None:
    text = (pod.metadata.annotations or {}).get(INDEX, "")
    return int(text) if text.isdecimal() else None


def tracked(pod: Any) -> bool:
    return FINALIZER in (pod.metadata.finalizers or ())


def has_failed(job: Any, pod: Any) -> bool:
    """Ended badly; or being deleted, unless the Job replaces only pods that have really ended."""
    if phase(pod) == "Failed":
        return True
    if job.spec.podReplacementPolicy == "Failed" or job.spec.podFailurePolicy is not None:
        return False
    return pod.metadata.deletionTimestamp is not None and phase(pod) != "Succeeded"


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
    for pod in pods:
        if tracked(pod) and pod.metadata.uid not in known:
            _count(job, pod, limit, result)
    return result


def _settle(uid: str, by_uid: dict[str, Any], listed: list[str], release: list[Any]) -> int:
    """1 when the pod has lost its finalizer and so counts for good; else it stays listed."""
    pod = by_uid.get(uid)
    if pod is None or not tracked(pod):
        return 1
    listed.append(uid)
    release.append(pod)
    return 0


def _count(job: Any, pod: Any, limit: int | None, result: Tally) -> None:
    if len(result.listed_succeeded) + len(result.listed_failed) >= BATCH:
        result.overflow = result.overflow or phase(pod) == "Succeeded" or has_failed(job, pod)
        return
    if phase(pod) == "Succeeded":
        _succeed(job, pod, limit, result)
    elif has_failed(job, pod):
        _fail(job, pod, limit, result)


def _succeed(job: Any, pod: Any, limit: int | None, result: Tally) -> None:
    result.release.append(pod)
    if not is_indexed(job):
        result.listed_succeeded.append(pod.metadata.uid)
        result.fresh_successes += 1
        return
    index = index_of(pod)
    if index is not None and index < (limit or 0) and index not in result.failed_indexes:
        result.fresh_successes += index not in result.completed
        result.completed.add(index)
    result.succeeded = len(result.completed)


def _fail(job: Any, pod: Any, limit: int | None, result: Tally) -> None:
    action, message = policies.action(job, pod)
    index = index_of(pod)
    if action == "FailJob":
        result.fatal = result.fatal or message
    if action == "Ignore":
        result.release.append(pod)
        return
    result.release.append(pod)
    result.listed_failed.append(pod.metadata.uid)
    result.fresh_failures.append(pod)
    allowed = job.spec.backoffLimitPerIndex
    if index is None or index >= (limit or 0) or index in result.completed or allowed is None:
        return
    if action == "FailIndex" or failures_of_index(pod) + 1 > allowed:
        result.failed_indexes.add(index)


def failures_by_index(pods: Sequence[Any]) -> dict[int, int]:
    """How often each index that has a pod has failed, if all its pods have."""
    found: dict[int, int] = {}
    for pod in pods:
        index = index_of(pod)
        if index is not None:
            found[index] = max(found.get(index, 0), failures_of_index(pod) + 1)
    return found


def failures_of_index(pod: Any) -> int:
    """How often the pod's index had failed before this pod was made."""
    text = (pod.metadata.annotations or {}).get(FAILURES, "0")
    return int(text) if text.isdecimal() else 0
