"""What simulated nodes do with pods: the pure decision, and a fleet over the fake API."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sampan.aio.clock import timestamp
from sampan.api.kinds import coordination_v1, core_v1, meta_v1
from sampan.client.errors import Unreachable
from sampan.testing.clock import VirtualClock
from sampan.testing.fakeapi import FakeApi
from sampan.testing.nodes import Behaviour, Machine, SimulatedNodes
from sampan.testing.nodes.behaviour import PREFIX, BadAnnotation
from sampan.testing.nodes.lifecycle import Remove, Report, Wait, next_step
from sampan.testing.nodes.machines import node

NOW = 1_767_225_600.0


def pod(policy: str = "Always", **annotations: str) -> Any:
    named = {PREFIX + name.replace("_", "-"): text for name, text in annotations.items()}
    return core_v1.Pod(
        metadata=meta_v1.ObjectMeta(name="p", namespace="a", uid="u", annotations=named),
        spec=core_v1.PodSpec(containers=[core_v1.Container(name="c", image="x")], nodeName="n0", restartPolicy=policy),
    )


def step(of: Any, *, since: float = NOW, now: float = NOW, **behaviour: Any) -> Any:
    mine = Behaviour(**behaviour).of(of)
    return next_step(of, since=since, behaviour=mine, now=now, host="10.127.0.1", address="10.128.0.1")


def running(of: Any, started: float = NOW) -> Any:
    state = core_v1.ContainerState(running=core_v1.ContainerStateRunning(startedAt=timestamp(started)))
    container = core_v1.ContainerStatus(name="c", image="x", imageID="", ready=True, restartCount=0, state=state)
    of.status = core_v1.PodStatus(
        phase="Running",
        podIP="10.128.0.1",
        startTime=timestamp(started),
        conditions=[core_v1.PodCondition(type="Ready", status="True")],
        containerStatuses=[container],
    )
    return of


def test_a_bound_pod_starts_after_its_time() -> None:
    assert step(pod(), start_seconds=3.0) == Wait(NOW + 3)
    report = step(pod(), start_seconds=3.0, now=NOW + 3)
    assert (report.status["phase"], report.status["podIP"]) == ("Running", "10.128.0.1")
    assert report.status["containerStatuses"][0]["ready"]


def test_a_running_pod_is_left_alone() -> None:
    assert step(running(pod())) is None
    assert step(running(pod()), run_seconds=60.0) == Wait(NOW + 60)


@pytest.mark.parametrize(
    ("policy", "code", "phase"),
    [("Never", 0, "Succeeded"), ("Never", 1, "Failed"), ("OnFailure", 0, "Succeeded"), ("OnFailure", 1, None),
     ("Always", 0, None)],
)  # fmt: skip
def test_how_it_ends_is_the_restart_policys_to_say(policy: str, code: int, phase: str | None) -> None:
    report = step(running(pod(policy)), run_seconds=5.0, exit_code=code, now=NOW + 5)
    assert report.status.get("phase") == phase
    state = report.status["containerStatuses"][0]["state"]
    assert ("waiting" in state) == (phase is None)


def test_a_pod_being_deleted_goes_when_it_has_ended() -> None:
    going = running(pod())
    going.metadata.deletionTimestamp, going.metadata.deletionGracePeriodSeconds = timestamp(NOW), 30
    assert step(going, stop_seconds=2.0) == Wait(NOW + 2)
    assert step(going, stop_seconds=2.0, now=NOW + 2) == Remove()
    assert step(going, stop_seconds=90.0, now=NOW + 30) == Remove()
    going.metadata.finalizers = ["batch.kubernetes.io/job-tracking"]
    report = step(going, stop_seconds=2.0, now=NOW + 2)
    assert isinstance(report, Report)
    assert report.status["phase"] == "Failed"


def test_annotations_override_the_fleets_behaviour() -> None:
    mine = Behaviour(start_seconds=9.0).of(pod(start_seconds="1.5", exit_code="3", ready="false"))
    assert (mine.start_seconds, mine.exit_code, mine.ready) == (1.5, 3, False)
    waiting = step(pod(waiting_reason="ImagePullBackOff"))
    assert waiting.status["containerStatuses"][0]["state"]["waiting"]["reason"] == "ImagePullBackOff"


@pytest.mark.parametrize(
    "bad", [{"start_seconds": "soon"}, {"start_seconds": "-1"}, {"run_seconds": "nan"}, {"run_seconds": "1e99"},
            {"exit_code": "256"}, {"exit_code": "-1"}, {"ready": "yes"}, {"waiting_reason": "two words"}, {"sped": "1"}]
)  # fmt: skip
def test_a_bad_annotation_says_what_is_wanted(bad: dict[str, str]) -> None:
    with pytest.raises(BadAnnotation, match=r"simulation\.sampan\.dev/.* is no"):
        Behaviour().of(pod(**bad))


def test_a_share_of_pods_fails_the_same_ones_each_time() -> None:
    some = [pod() for _ in range(200)]
    for number, one in enumerate(some):
        one.metadata.uid = f"uid-{number}"
    codes = [Behaviour(fail_share=0.25).of(one).exit_code for one in some]
    assert codes == [Behaviour(fail_share=0.25).of(one).exit_code for one in some]
    assert 20 < sum(codes) < 80


def test_a_bad_taint_says_how_to_write_one() -> None:
    with pytest.raises(ValueError, match="key=value:NoSchedule"):
        node(Machine(taints=["nonsense"]), "n0", 0)


@asynccontextmanager
async def fleet(count: int, **options: Any) -> AsyncIterator[tuple[FakeApi, VirtualClock, SimulatedNodes]]:
    clock = VirtualClock()
    api = FakeApi(clock)
    nodes = SimulatedNodes(api, clock, random.Random(1), [f"n{number}" for number in range(count)], **options)
    task = asyncio.create_task(nodes.run())
    try:
        yield api, clock, nodes
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_idle_fleet_costs_one_renewal_per_node_and_interval() -> None:
    async with fleet(50) as (api, clock, nodes):
        await clock.advance(30)
        assert nodes.statistics()["nodes"] == len(api.all(core_v1.Node)) == 50
        api.actions.clear()
        await clock.advance(100)
        assert {str(a).split()[1] for a in api.writes} == {"leases"}
        assert len(api.writes) == 500


async def test_registration_survives_an_unreachable_server() -> None:
    clock = VirtualClock()
    api = FakeApi(clock)
    api.fail("*", "", Unreachable("refused"), times=20)
    nodes = SimulatedNodes(api, clock, random.Random(1), ["n0", "n1"])
    task = asyncio.create_task(nodes.run())
    await clock.advance(120)
    assert len(api.all(core_v1.Node)) == len(api.all(coordination_v1.Lease)) == 2
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await nodes.remove()
    assert api.all(core_v1.Node) == api.all(coordination_v1.Lease) == []


async def test_a_pod_with_a_bad_annotation_fails_and_says_why() -> None:
    async with fleet(1) as (api, clock, _):
        api.add(pod(run_seconds="soon"))
        await clock.advance(5)
        (failed,) = api.all(core_v1.Pod)
        assert (failed.status.phase, failed.status.reason) == ("Failed", "BadSimulation")
        assert "a number of seconds" in failed.status.message


async def test_crashed_containers_start_again_after_a_growing_wait() -> None:
    async with fleet(1, behaviour=Behaviour(run_seconds=1.0, exit_code=1)) as (api, clock, _):
        api.add(pod())
        restarts = []
        for _ in range(4):
            await clock.advance(20)
            (one,) = api.all(core_v1.Pod)
            restarts.append(one.status.containerStatuses[0].restartCount)
        assert restarts == sorted(restarts)
        assert 0 < restarts[-1] <= 3


async def test_addresses_are_not_given_out_twice_after_a_restart() -> None:
    clock = VirtualClock()
    api = FakeApi(clock)
    for number in range(2):
        task = asyncio.create_task(SimulatedNodes(api, clock, random.Random(1), ["n0"]).run())
        one = pod()
        one.metadata.name, one.metadata.uid = f"p{number}", ""
        api.add(one)
        await clock.advance(15)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert len({one.status.podIP for one in api.all(core_v1.Pod)}) == 2
