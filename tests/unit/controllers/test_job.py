"""Job: every pod counted once, through failures, restarts and deletions."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.api.kinds import batch_v1, core_v1, meta_v1
from sampan.client.errors import Unreachable
from sampan.controllers.job import indexes
from sampan.controllers.job.controller import JobController
from sampan.controllers.job.tally import FAILURES, FINALIZER, IGNORED, INDEX
from sampan.controllers.pods import phase
from tests.unit.controllers.harness import World, defaulted, meta, template, world


def job(**spec: Any) -> Any:
    made = template()
    made.spec.restartPolicy = spec.pop("restartPolicy", "Never")
    selector = meta_v1.LabelSelector(matchLabels={"app": "web"})
    return defaulted(
        batch_v1.Job(metadata=meta("sum"), spec=batch_v1.JobSpec(template=made, selector=selector, **spec))
    )


def end(w: World, *names: str, with_phase: str = "Succeeded", code: int = 1) -> None:
    """Those pods (all that run when none is named) end."""
    for pod in w.pods():
        if phase(pod) not in ("Succeeded", "Failed") and (not names or pod.metadata.name in names):
            ended = core_v1.ContainerState(terminated=core_v1.ContainerStateTerminated(exitCode=code))
            status = core_v1.ContainerStatus(name="app", state=ended if with_phase == "Failed" else None)
            new = core_v1.PodStatus(phase=with_phase, containerStatuses=[status])
            w.api.change(core_v1.Pod, pod.metadata.name, "a", lambda p, new=new: setattr(p, "status", new))


def status(w: World) -> Any:
    return w.api.peek(batch_v1.Job, "sum", "a").status


def told(w: World) -> dict[str, str]:
    return {c.type: c.reason for c in status(w).conditions or () if c.status == "True"}


def running(w: World) -> list[Any]:
    return [pod for pod in w.pods() if phase(pod) not in ("Succeeded", "Failed")]


async def test_a_job_runs_so_many_at_once_until_so_many_have_succeeded() -> None:
    async with world(JobController) as w:
        await w.api.create(job(completions=5, parallelism=2))
        for left in (2, 2, 1):
            await w.settle(1)
            assert len(running(w)) == left
            assert all(FINALIZER in p.metadata.finalizers for p in running(w))
            end(w)
        await w.settle(2)
        assert (status(w).succeeded, status(w).active) == (5, None)
        assert told(w) == {"SuccessCriteriaMet": "CompletionsReached", "Complete": "CompletionsReached"}
        assert status(w).completionTime
        assert all(not p.metadata.finalizers for p in w.pods())
        w.writes()
        await w.settle(3600)
        assert w.writes() == []


async def test_a_work_queue_ends_when_its_pods_have() -> None:
    async with world(JobController) as w:
        await w.api.create(job(parallelism=3, completions=None))
        w.api.change(batch_v1.Job, "sum", "a", lambda j: setattr(j.spec, "completions", None))
        await w.settle(1)
        end(w, w.pods()[0].metadata.name)
        await w.settle(30)
        assert len(w.pods()) >= 1
        end(w)
        await w.settle(2)
        assert "Complete" in told(w)


async def test_indexes_are_given_out_and_ticked_off() -> None:
    async with world(JobController) as w:
        await w.api.create(job(completions=4, parallelism=4, completionMode="Indexed"))
        await w.settle(1)
        by_index = {p.metadata.annotations[INDEX]: p for p in w.pods()}
        assert sorted(by_index) == ["0", "1", "2", "3"]
        pod = by_index["2"]
        assert pod.spec.hostname == "sum-2"
        assert pod.spec.containers[0].env[0].name == "JOB_COMPLETION_INDEX"
        assert pod.metadata.name.startswith("sum-2-")
        end(w, *(by_index[i].metadata.name for i in ("0", "2", "3")))
        await w.settle(1)
        assert status(w).completedIndexes == "0,2,3"
        end(w, by_index["1"].metadata.name, with_phase="Failed")
        await w.settle(15)
        assert [p.metadata.annotations[INDEX] for p in running(w)] == ["1"]
        end(w)
        await w.settle(2)
        assert (status(w).completedIndexes, status(w).succeeded, status(w).failed) == ("0-3", 4, 1)


async def test_failures_are_retried_ever_slower_and_then_given_up() -> None:
    async with world(JobController) as w:
        await w.api.create(job(completions=1, backoffLimit=2))
        await w.settle(1)
        end(w, with_phase="Failed")
        await w.settle(5)
        assert running(w) == []
        await w.settle(10)
        assert len(running(w)) == 1
        end(w, with_phase="Failed")
        await w.settle(15)
        assert running(w) == []
        await w.settle(10)
        end(w, with_phase="Failed")
        await w.settle(2)
        assert told(w) == {"FailureTarget": "BackoffLimitExceeded", "Failed": "BackoffLimitExceeded"}
        assert status(w).failed == 3


async def test_a_deadline_ends_it() -> None:
    async with world(JobController) as w:
        await w.api.create(job(activeDeadlineSeconds=30))
        await w.settle(29)
        assert len(running(w)) == 1
        await w.settle(3)
        assert told(w)["Failed"] == "DeadlineExceeded"
        assert running(w) == []


async def test_suspended_and_resumed() -> None:
    async with world(JobController) as w:
        await w.api.create(job(suspend=True, parallelism=2, completions=2))
        await w.settle(1)
        assert w.pods() == []
        assert told(w) == {"Suspended": "JobSuspended"}
        assert status(w).startTime is None
        w.api.change(batch_v1.Job, "sum", "a", lambda j: setattr(j.spec, "suspend", False))
        await w.settle(1)
        assert len(running(w)) == 2
        assert status(w).startTime
        w.api.change(batch_v1.Job, "sum", "a", lambda j: setattr(j.spec, "suspend", True))
        await w.settle(1)
        assert running(w) == []


async def test_a_failure_policy_decides_what_a_failure_means() -> None:
    async with world(JobController) as w:
        policy = batch_v1.PodFailurePolicy(rules=[rule("Ignore", 3), rule("FailJob", 42)])
        await w.api.create(job(completions=1, backoffLimit=0, podFailurePolicy=policy))
        await w.settle(1)
        end(w, with_phase="Failed", code=3)
        await w.settle(15)
        assert len(running(w)) == 1
        end(w, with_phase="Failed", code=42)
        await w.settle(2)
        assert told(w)["Failed"] == "PodFailurePolicy"
        message = next(c.message for c in status(w).conditions if c.type == "Failed")
        assert "failed with exit code 42 matching FailJob rule at index 1" in message


async def test_each_index_may_have_its_own_limit() -> None:
    async with world(JobController) as w:
        await w.api.create(
            job(completions=2, parallelism=2, completionMode="Indexed", backoffLimitPerIndex=1, backoffLimit=100)
        )
        await w.settle(1)
        for _ in range(2):
            zero = [p for p in running(w) if p.metadata.annotations[INDEX] == "0"]
            end(w, zero[0].metadata.name, with_phase="Failed")
            await w.settle(25)
        assert status(w).failedIndexes == "0"
        assert [p.metadata.annotations[INDEX] for p in running(w)] == ["1"]
        end(w)
        await w.settle(2)
        assert told(w)["Failed"] == "FailedIndexes"


async def test_a_success_policy_ends_it_early() -> None:
    async with world(JobController) as w:
        policy = batch_v1.SuccessPolicy(rules=[batch_v1.SuccessPolicyRule(succeededIndexes="0", succeededCount=1)])
        await w.api.create(job(completions=3, parallelism=3, completionMode="Indexed", successPolicy=policy))
        await w.settle(1)
        leader = next(p for p in w.pods() if p.metadata.annotations[INDEX] == "0")
        end(w, leader.metadata.name)
        await w.settle(3)
        assert told(w)["Complete"] == "SuccessPolicy"
        assert running(w) == []


async def test_a_deleted_pod_is_counted_and_replaced() -> None:
    async with world(JobController) as w:
        await w.api.create(job(completions=1))
        await w.settle(1)
        await w.api.delete(core_v1.Pod, w.pods()[0].metadata.name, "a")
        await w.settle(20)
        assert (status(w).failed, len(running(w))) == (1, 1)
        assert len(w.api.all(core_v1.Pod)) == 1


async def test_a_pod_may_be_replaced_only_once_it_has_ended() -> None:
    async with world(JobController) as w:
        await w.api.create(job(completions=1, podReplacementPolicy="Failed"))
        await w.settle(1)
        w.become_ready()
        name = w.pods()[0].metadata.name
        await w.api.delete(core_v1.Pod, name, "a")
        await w.settle(60)
        assert (len(running(w)), status(w).terminating, status(w).failed) == (0, 1, None)
        w.api.change(core_v1.Pod, name, "a", lambda pod: setattr(pod.status, "phase", "Failed"))
        await w.settle(60)
        assert (len(running(w)), status(w).terminating, status(w).failed) == (1, 0, 1)


async def test_pods_of_a_job_that_is_gone_lose_their_finalizer() -> None:
    async with world(JobController) as w:
        await w.api.create(job())
        await w.settle(1)
        w.api.remove(batch_v1.Job, "sum", "a")
        await w.settle(1)
        assert all(not p.metadata.finalizers for p in w.pods())


async def test_a_job_managed_by_another_is_left_alone() -> None:
    async with world(JobController) as w:
        await w.api.create(job(managedBy="example.com/other"))
        await w.settle(5)
        assert w.pods() == []


def rule(action: str, code: int) -> Any:
    codes = batch_v1.PodFailurePolicyOnExitCodesRequirement(operator="In", values=[code])
    return batch_v1.PodFailurePolicyRule(action=action, onExitCodes=codes)


SUCCESS = batch_v1.SuccessPolicy(rules=[batch_v1.SuccessPolicyRule(succeededIndexes="0")])
FAILURE = batch_v1.PodFailurePolicy(rules=[rule("FailJob", 42)])
ENDS: dict[str, tuple[dict[str, Any], str, list[str], int | None]] = {
    "all done": ({"completionMode": "Indexed"}, "Succeeded", ["SuccessCriteriaMet", "Complete"], None),
    "enough done": (
        {"completionMode": "Indexed", "successPolicy": SUCCESS},
        "Succeeded",
        ["SuccessCriteriaMet", "Complete"],
        None,
    ),
    "too much failed": ({"backoffLimit": 0}, "Failed", ["FailureTarget", "Failed"], 3),
    "a failure not borne": ({"podFailurePolicy": FAILURE}, "Failed", ["FailureTarget", "Failed"], 3),
}


@pytest.mark.parametrize("name", ENDS)
async def test_the_end_is_told_first_then_carried_out_then_told_as_done(name: str) -> None:
    """KEP-3998 and KEP-3329: nothing is deleted before the first word, no pod is held after the last."""
    spec, ended, words, failed = ENDS[name]
    seen: list[list[str]] = []

    def look(action: Any) -> None:
        held = [p for p in w.api.all(core_v1.Pod) if p.metadata.finalizers]
        types = [c.type for c in status(w).conditions or ()]
        if action.verb == "delete":
            assert types == words[:1]
        if types != (seen or [[]])[-1]:
            seen.append(types)
            assert not (types == words and held), "done, and yet a pod is held"

    async with world(JobController) as w:
        await w.api.create(job(completions=3, parallelism=3, **spec))
        await w.settle(1)
        w.api.before = look
        first = w.pods()[0].metadata.name
        end(w, *([] if name == "all done" else [first]), with_phase=ended, code=42)
        await w.settle(5)
        w.end_pods()
        await w.settle(5)
        look(w.api.actions[-1])
        assert seen == [words[:1], words]
        assert status(w).failed == failed, "what a success takes away has not failed"
        assert not any(p.metadata.finalizers for p in w.api.all(core_v1.Pod))


async def test_taken_away_is_not_failed() -> None:
    async with world(JobController) as w:
        await w.api.create(job(completions=5, parallelism=5, completionMode="Indexed", backoffLimit=0))
        await w.settle(1)

        def fewer(one: Any) -> None:
            one.spec.completions = one.spec.parallelism = 3

        w.api.change(batch_v1.Job, "sum", "a", fewer)
        await w.settle(2)
        assert sorted(p.metadata.annotations[INDEX] for p in running(w)) == ["0", "1", "2"]
        w.api.change(batch_v1.Job, "sum", "a", lambda j: setattr(j.spec, "suspend", True))
        await w.settle(2)
        w.end_pods()
        w.api.change(batch_v1.Job, "sum", "a", lambda j: setattr(j.spec, "suspend", False))
        await w.settle(2)
        assert (len(running(w)), status(w).failed) == (3, None)


async def test_how_often_an_index_failed_outlives_its_pods() -> None:
    async with world(JobController) as w:
        policy = batch_v1.PodFailurePolicy(rules=[rule("Ignore", 3)])
        await w.api.create(
            job(completions=1, completionMode="Indexed", backoffLimitPerIndex=2, podFailurePolicy=policy)
        )
        for code, counted, ignored in ((1, "0", None), (3, "1", None), (1, "1", "1")):
            await w.settle(45)
            (pod,) = running(w)
            found = pod.metadata.annotations
            assert (found[FAILURES], found.get(IGNORED)) == (counted, ignored)
            end(w, pod.metadata.name, with_phase="Failed", code=code)
            await w.settle(2)
            await w.api.delete(core_v1.Pod, pod.metadata.name, "a")
            await w.stop()
            await w.start()
        await w.settle(90)
        end(w, with_phase="Failed")
        await w.settle(5)
        assert (told(w)["Failed"], status(w).failedIndexes, status(w).failed) == ("FailedIndexes", "0", 3)


async def test_restarts_in_place_use_up_the_limit() -> None:
    async with world(JobController) as w:
        await w.api.create(job(backoffLimit=2, restartPolicy="OnFailure"))
        await w.settle(1)
        for restarts in (1, 2):
            assert "Failed" not in told(w)
            again = core_v1.ContainerStatus(name="app", restartCount=restarts)
            new = core_v1.PodStatus(phase="Running", initContainerStatuses=[again])
            w.api.change(core_v1.Pod, w.pods()[0].metadata.name, "a", lambda p, new=new: setattr(p, "status", new))
            await w.settle(2)
        assert told(w)["Failed"] == "BackoffLimitExceeded"


@pytest.mark.parametrize("seed", range(15))
async def test_killed_anywhere_no_pod_is_lost_or_counted_twice(seed: int) -> None:
    async with world(JobController, seed=seed) as w:
        await w.api.create(job(completions=12, parallelism=3, backoffLimit=1000))
        rng = w.api.rng
        succeeded: set[str] = set()
        for _ in range(120):
            match rng.randrange(5):
                case 0:
                    await w.stop()
                    await w.start()
                case 1:
                    w.api.compact()
                case 2:
                    w.api.fail("*", "", Unreachable("reset"), times=1, after=rng.random() < 0.5)
                case _:
                    pass
            for pod in running(w):
                name = pod.metadata.name
                if rng.random() < 0.2:
                    end(w, name, with_phase="Failed")
                elif rng.random() < 0.5:
                    end(w, name)
                    succeeded.add(name)
            await w.settle(rng.random() * 20)
            if status(w) is not None and "Complete" in told(w):
                break
        await w.settle(130)
        assert told(w).get("Complete") == "CompletionsReached"
        assert status(w).succeeded == len(succeeded)
        assert len(succeeded) >= 12


@pytest.mark.parametrize("text", ["", "0", "0,1", "1,3-5,7", "0-9"])
def test_index_sets_are_written_as_they_are_read(text: str) -> None:
    assert indexes.write(indexes.parse(text)) == text
    assert indexes.parse("1-5", limit=3) == {1, 2}
