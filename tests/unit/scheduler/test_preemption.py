"""Preemption against a slow search: the plan works, no victim is needless, and it does the least harm."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from sampan.api.kinds import core_v1
from sampan.client.errors import Unreachable
from sampan.scheduler.book import Book
from sampan.scheduler.decision import Decider, Refused
from sampan.scheduler.nodetable import NodeTable
from sampan.scheduler.preemption import Plan, Preemption
from sampan.scheduler.queue import SchedulingQueue
from sampan.testing.clock import VirtualClock

from . import scenarios
from .harness import World


def cluster(rng: random.Random, nodes: int) -> tuple[NodeTable, Book, Decider]:
    table = NodeTable()
    book = Book(table, SchedulingQueue(VirtualClock()), ["default-scheduler"], lambda: None)
    for number in range(nodes):
        book.on_node(None, scenarios.node({"node": f"n{number}", "cpu": 4, "pods": rng.choice([3, 110])}))
        for other in range(rng.randrange(5)):
            entry = {
                "pod": f"p{number}-{other}",
                "at": f"n{number}",
                "cpu": rng.choice(["500m", "1", "2"]),
                "priority": rng.randrange(4),
                "started": f"2026-01-01T00:00:{rng.randrange(60):02d}Z",
            }
            book.on_pod(None, named(scenarios.pod(entry)))
    return table, book, Decider(table, rng)


def named(pod: Any) -> Any:
    pod.metadata.uid = pod.metadata.name
    return pod


@pytest.mark.parametrize("seed", range(60))
def test_least_harm(seed: int) -> None:
    rng = random.Random(seed)
    table, book, decider = cluster(rng, nodes=rng.randrange(1, 12))
    book.on_pod(
        None, named(scenarios.pod({"pod": "high", "cpu": rng.choice(["1", "3"]), "priority": rng.choice([2, 9])}))
    )
    pod = book.records["high"]
    refused = decider.decide(pod)
    if not isinstance(refused, Refused):
        return
    preemption = Preemption(decider, rng, list)
    plan = preemption.plan(pod, refused)
    plans = [p for row in range(table.height) if (p := preemption._row_plan(pod, row, [], local=False)) is not None]
    if isinstance(plan, str):
        assert not plans
        return
    assert plan.harm() == min(plans, key=Plan.harm).harm()
    for victim in plan.victims:
        table.remove_pod(victim)
    assert decider.fits(pod, rows(plan))[0]
    for victim in plan.victims:
        table.add_pod(victim, table.names[plan.row])
        assert not decider.fits(pod, rows(plan))[0]
        table.remove_pod(victim)


def rows(plan: Plan) -> Any:
    return np.array([plan.row])


async def test_victim_that_cannot_be_reached_is_ended_later() -> None:
    world = World()
    world.add({"node": "a", "cpu": 1})
    world.add({"pod": "low", "cpu": 1, "at": "a"})
    world.add({"pod": "high", "cpu": 1, "priority": 5})
    world.api.fail("delete", "pods", Unreachable("down"), times=3)
    async with world.running():
        await world.clock.advance(10)
        assert world.pod("low").metadata.deletionTimestamp
        assert [event for event in world.events() if "Preempted by pod" in event]
        world.api.remove(core_v1.Pod, "low", "default")
        await world.clock.advance(1)
        assert world.node_of("high") == "a"


async def test_nominated_node_goes_away() -> None:
    world = World()
    world.add({"node": "a", "cpu": 1})
    world.add({"pod": "low", "cpu": 1, "at": "a"})
    world.add({"pod": "high", "cpu": 1, "priority": 5})
    async with world.running():
        assert world.pod("high").status.nominatedNodeName == "a"
        world.api.remove(core_v1.Node, "a")
        await world.clock.advance(1)
        assert world.pod("high").status.nominatedNodeName is None
        world.add({"node": "b", "cpu": 1})
        await world.clock.advance(15)
        assert world.node_of("high") == "b"


async def test_higher_priority_takes_over_a_nomination() -> None:
    """The room made for one goes to a more important one; the first makes room elsewhere or waits."""
    world = World()
    world.add({"node": "a", "cpu": 1})
    world.add({"pod": "low", "cpu": 1, "at": "a"})
    world.add({"pod": "middle", "cpu": 1, "priority": 5})
    async with world.running():
        world.add({"pod": "high", "cpu": 1, "priority": 9})
        await world.clock.advance(1)
        world.api.remove(core_v1.Pod, "low", "default")
        await world.clock.advance(20)
        assert world.node_of("high") == "a"
        assert world.node_of("middle") is None
