"""What may go wrong between a decision and its effect, and that nothing is lost or counted twice by it."""

from __future__ import annotations

import random
from typing import Any

import pytest

from sampan.api import errors
from sampan.api.kinds import core_v1
from sampan.client.errors import Unreachable
from sampan.scheduler.scheduler import Scheduler

from .harness import World


def bindings(world: World) -> list[str]:
    return [action.name for action in world.api.actions if action.subresource == "binding"]


def used(scheduler: Scheduler, node: str) -> int:
    """Millicores counted on a node."""
    return int(scheduler.table.requested[0, scheduler.table.row(node)])


async def test_binding_refused_is_tried_again_after_a_while() -> None:
    world = World()
    world.add({"node": "a"})
    world.add({"pod": "p", "cpu": 1})
    world.api.fail("create", "pods", errors.forbidden("", "pods", "p", "not yet"))
    async with world.running():
        assert world.node_of("p") is None
        assert used(world.scheduler, "a") == 0
        assert 'p FailedScheduling: binding rejected: running Bind plugin "DefaultBinder": ' in world.events()[0]
        await world.clock.advance(0.5)
        assert len(bindings(world)) == 1
        await world.clock.advance(1)
        assert world.node_of("p") == "a"
        assert used(world.scheduler, "a") == 1000


async def test_binding_whose_answer_is_lost_is_not_given_up() -> None:
    """The binding took effect; the same is sent again, and the conflict that meets tells."""
    world = World()
    world.add({"node": "a", "cpu": 1})
    world.add({"node": "b", "cpu": 1})
    world.add({"pod": "p", "cpu": 1})

    def lose(action: Any) -> None:
        if action.subresource == "binding" and len(bindings(world)) == 1:
            world.api.change(core_v1.Pod, "p", "default", lambda pod: setattr(pod.spec, "nodeName", "a"))
            world.api.change(core_v1.Pod, "p", "default", lambda pod: setattr(pod.metadata, "annotations", {"x": "y"}))
            raise Unreachable("reset")
        if action.subresource == "binding":
            raise errors.conflict("", "pods/binding", "p", "pod p is already assigned to node")

    world.api.before = lose
    async with world.running():
        await world.clock.advance(5)
        assert world.node_of("p") == "a"
        total = used(world.scheduler, "a") + used(world.scheduler, "b")
        assert total == 1000
        assert world.scheduler.statistics()["queue"] == {"active": 0, "backoff": 0, "unschedulable": 0}


async def test_unreachable_server_keeps_the_room() -> None:
    """While nobody knows whether the binding happened its room is not given away."""
    world = World()
    world.add({"node": "a", "cpu": 1})
    world.add({"pod": "p", "cpu": 1})
    world.api.fail("create", "pods", Unreachable("down"), times=3)
    async with world.running():
        assert used(world.scheduler, "a") == 1000
        await world.clock.advance(5)
        assert world.node_of("p") == "a"


async def test_pod_bound_by_another() -> None:
    world = World()
    world.add({"node": "a", "cpu": 1})
    world.add({"node": "b", "cpu": 1})
    world.add({"pod": "p", "cpu": 1, "spec": {"nodeSelector": {"kubernetes.io/hostname": "a"}}})

    def rival(action: Any) -> None:
        if action.subresource == "binding":
            world.api.change(core_v1.Pod, "p", "default", lambda pod: setattr(pod.spec, "nodeName", "b"))
            raise errors.conflict("", "pods/binding", "p", 'pod p is already assigned to node "b"')

    world.api.before = rival
    async with world.running():
        await world.clock.advance(3)
        assert (used(world.scheduler, "a"), used(world.scheduler, "b")) == (0, 1000)
        assert len(bindings(world)) == 1


async def test_node_vanishes_before_the_binding() -> None:
    world = World()
    world.add({"node": "a"})
    world.add({"pod": "p", "cpu": 1})
    world.api.fail("create", "pods", Unreachable("down"))
    async with world.running():
        world.api.remove(core_v1.Node, "a")
        await world.clock.advance(5)
        assert world.node_of("p") is None
        assert len(bindings(world)) == 1
        world.add({"node": "b"})
        await world.clock.advance(20)
        assert world.node_of("p") == "b"


async def test_node_is_replaced_by_a_namesake() -> None:
    """The new node has other labels; the decision for the old one does not count."""
    world = World()
    world.add({"node": "a", "labels": {"disk": "ssd"}})
    world.add({"pod": "p", "spec": {"nodeSelector": {"disk": "ssd"}}})
    world.api.fail("create", "pods", Unreachable("down"))
    async with world.running():
        world.api.remove(core_v1.Node, "a")
        world.add({"node": "a"})
        await world.clock.advance(20)
        assert world.node_of("p") is None


async def test_pod_deleted_while_waiting_and_while_binding() -> None:
    world = World()
    world.add({"pod": "waits", "cpu": 1})
    async with world.running():
        world.api.remove(core_v1.Pod, "waits", "default")
        world.api.fail("create", "pods", Unreachable("down"))
        world.add({"pod": "binds", "cpu": 1})
        world.add({"node": "a"})
        await world.clock.advance(0.01)
        world.api.remove(core_v1.Pod, "binds", "default")
        await world.clock.advance(20)
        assert used(world.scheduler, "a") == 0
        assert world.scheduler.statistics()["pods"] == 0
        assert bindings(world) == ["binds"]


async def test_namesake_of_a_deleted_pod_is_another_pod() -> None:
    world = World()
    world.add({"pod": "p", "cpu": 3})
    async with world.running():
        world.api.remove(core_v1.Pod, "p", "default")
        world.add({"pod": "p", "cpu": 1})
        world.add({"node": "a", "cpu": 2})
        await world.clock.advance(1)
        assert world.node_of("p") == "a"
        assert used(world.scheduler, "a") == 1000


@pytest.mark.parametrize("fault", ["close", "compact"])
async def test_watch_reset(fault: str) -> None:
    world = World()
    world.add({"node": "a", "cpu": 2})
    async with world.running():
        if fault == "close":
            world.api.close_watches()
        else:
            world.api.compact()
        world.add({"pod": "p1", "cpu": 1})
        world.add({"pod": "p2", "cpu": 2})
        await world.clock.advance(60)
        assert sorted(filter(None, [world.node_of("p1"), world.node_of("p2")])) == ["a"]


async def test_stale_cache_does_not_bind_twice() -> None:
    """No watch delivers anything: what was assumed stays counted, and is not decided on again."""
    world = World()
    world.add({"node": "a", "cpu": 2})
    for number in range(3):
        world.add({"pod": f"p{number}", "cpu": 1})
    world.api.hold_watches()
    async with world.running():
        await world.clock.advance(60)
        assert len(bindings(world)) == 2
        world.api.release_watches()
        await world.clock.advance(60)
        assert len(bindings(world)) == 2
        assert used(world.scheduler, "a") == 2000


async def test_restart_in_the_middle() -> None:
    world = World()
    world.add({"node": "a", "cpu": 2})
    for number in range(2):
        world.add({"pod": f"p{number}", "cpu": 1})
    world.api.fail("create", "pods", Unreachable("down"), times=1)
    async with world.running():
        pass
    async with world.running():
        await world.clock.advance(5)
        assert [world.node_of(f"p{number}") for number in range(2)] == ["a", "a"]
        assert used(world.scheduler, "a") == 2000


async def test_bound_pod_that_changes_size_is_counted_anew() -> None:
    world = World()
    world.add({"node": "a", "cpu": 2})
    world.add({"pod": "p", "cpu": 1, "at": "a"})

    def grow(pod: Any) -> None:
        pod.spec.containers[0].resources.requests["cpu"] = "1500m"
        pod.metadata.generation = 2

    async with world.running():
        world.api.change(core_v1.Pod, "p", "default", grow)
        await world.clock.advance(1)
        assert used(world.scheduler, "a") == 1500


async def test_refused_pod_that_changes_is_tried_again() -> None:
    world = World()
    world.add({"node": "a"})
    world.add({"pod": "p", "spec": {"nodeSelector": {"disk": "ssd"}}})

    def tolerate(pod: Any) -> None:
        pod.spec.nodeSelector = None
        pod.metadata.generation = 2

    async with world.running():
        assert world.node_of("p") is None
        world.api.change(core_v1.Pod, "p", "default", tolerate)
        await world.clock.advance(2)
        assert world.node_of("p") == "a"


async def test_idle_scheduler_writes_nothing() -> None:
    """A pod that cannot be placed costs one condition and one event, then nothing until something happens."""
    world = World()
    world.add({"node": "a"})
    world.add({"pod": "p", "cpu": 9})
    async with world.running():
        writes = len(world.api.writes)
        await world.clock.advance(250)
        assert len(world.api.writes) == writes == 2


@pytest.mark.parametrize("seed", range(20))
async def test_storm(seed: int) -> None:
    """Random faults, pods and nodes that come and go; in the end all that can run does, and no node is overfull."""
    world = World(seed)
    rng = random.Random(seed)
    for number in range(4):
        world.add({"node": f"n{number}", "cpu": 2})
    async with world.running():
        for number in range(40):
            world.add({"pod": f"p{number}", "cpu": rng.choice(["500m", "1"]), "priority": rng.randrange(3)})
            disturb(world, rng)
            await world.clock.advance(rng.random() * 2)
            if rng.random() < 0.5:
                end_terminating(world)
        world.api.compact()
        for _ in range(10):
            await world.clock.advance(30)
            end_terminating(world)
        await world.clock.advance(30)
        check_counts(world)
        check_full(world)


def disturb(world: World, rng: random.Random) -> None:
    match rng.randrange(8):
        case 0:
            world.api.fail("create", "pods", Unreachable("down"), after=False, times=2)
        case 1:
            world.api.fail("create", "pods", errors.InternalError("oops"))
        case 2:
            world.api.close_watches()
        case 3:
            world.api.compact()
        case 4:
            pods = [pod for pod in world.api.all(core_v1.Pod) if pod.spec.nodeName]
            if pods:
                world.api.remove(core_v1.Pod, rng.choice(pods).metadata.name, "default")
        case 5:
            world.api.fail("patch", "pods", Unreachable("down"))


def end_terminating(world: World) -> None:
    """What kubelets do."""
    for pod in world.api.all(core_v1.Pod):
        if pod.metadata.deletionTimestamp:
            world.api.remove(core_v1.Pod, pod.metadata.name, "default")


def check_counts(world: World) -> None:
    """What the scheduler counts is what the API server has."""
    table = world.scheduler.table
    for node in world.api.all(core_v1.Node):
        name = node.metadata.name
        there = [pod for pod in world.api.all(core_v1.Pod) if pod.spec.nodeName == name]
        row = table.row(name)
        bound = {pod.uid for pod in table.pods[row].values() if pod.hold == "bound"}
        assert bound == {pod.metadata.uid for pod in there}
        assert table.requested[0, row] <= 2000


def check_full(world: World) -> None:
    """Nobody waits who would fit."""
    table = world.scheduler.table
    free = max(2000 - table.requested[0, : table.height])
    waiting = [pod for pod in world.api.all(core_v1.Pod) if not pod.spec.nodeName and not pod.status.nominatedNodeName]
    wanted = [pod.spec.containers[0].resources.requests["cpu"] for pod in waiting]
    assert all(free < (500 if cpu == "500m" else 1000) for cpu in wanted)
