"""Probes in virtual time."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

from sampan.kubelet.probeschedule import ProbeSchedule
from sampan.testing.clock import VirtualClock

from .harness import node


async def test_a_liveness_probe_restarts_and_its_readiness_tells(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        probe = {"tcpSocket": {"port": 80}, "periodSeconds": 10, "failureThreshold": 2}
        n.pod(containers=[{"name": "c", "livenessProbe": probe, "readinessProbe": {**probe, "failureThreshold": 1}}])
        await n.advance(1)
        assert n.container().ready
        n.handlers.answers["tcp 10.9.0.2:80"] = False
        await n.advance(10)
        assert not n.container().ready
        assert n.container().restartCount == 0
        await n.advance(10)
        assert n.container().restartCount == 1
        assert "Unhealthy: Liveness probe failed: no" in n.events()
        assert "Killing: Container c failed liveness probe, will be restarted" in n.events()


async def test_a_startup_probe_holds_the_others_back(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.handlers.answers["tcp 10.9.0.2:1"] = False
        startup = {"tcpSocket": {"port": 1}, "periodSeconds": 1, "failureThreshold": 100}
        n.pod(containers=[{"name": "c", "startupProbe": startup, "readinessProbe": {"tcpSocket": {"port": 2}}}])
        await n.advance(10)
        assert {what for _, what in n.handlers.asked} == {"tcp 10.9.0.2:1"}
        assert not n.container().started
        n.handlers.answers.clear()
        await n.advance(1)
        assert n.container().started
        assert n.container().ready
        asked = len([what for _, what in n.handlers.asked if what.endswith(":1")])
        await n.advance(30)
        assert len([what for _, what in n.handlers.asked if what.endswith(":1")]) == asked


async def test_probes_keep_their_rhythm(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.handlers.takes["tcp 10.9.0.2:1"] = 0.4
        n.pod(containers=[{"name": "c", "livenessProbe": {"tcpSocket": {"port": 1}, "periodSeconds": 1}}])
        await n.advance(10)
        times = [at for at, _ in n.handlers.asked]
        assert {round(later - earlier, 6) for earlier, later in pairwise(times)} == {1.0}


async def test_what_could_not_be_asked_counts_for_nothing(tmp_path: Path) -> None:
    """A runtime that is away fails no container's command."""
    async with node(tmp_path) as n:
        probe = {"exec": {"command": ["ok"]}, "periodSeconds": 1, "failureThreshold": 1}
        n.pod(containers=[{"name": "c", "livenessProbe": probe, "readinessProbe": probe}])
        await n.advance(2)
        n.handlers.unanswered.add("exec ok")
        await n.advance(10)
        assert n.container().ready
        assert n.container().restartCount == 0
        told = "Unhealthy: Liveness probe errored and resulted in unknown state: nobody was asked"
        assert told in n.events()


async def test_a_failed_container_is_not_asked_again(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.ignores_stop.add("c")
        n.handlers.answers["tcp 10.9.0.2:1"] = False
        live = {"tcpSocket": {"port": 1}, "periodSeconds": 1, "failureThreshold": 2}
        n.pod(containers=[{"name": "c", "livenessProbe": {**live, "terminationGracePeriodSeconds": 7}}])
        await n.advance(6)
        assert len(n.handlers.asked) == 2
        assert n.runtime.called("stop_container") == [("stop_container", "c", "7")]


async def test_an_initial_delay_counts_from_the_containers_start(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        ready = {"tcpSocket": {"port": 1}, "initialDelaySeconds": 20, "periodSeconds": 4}
        n.pod(containers=[{"name": "c", "readinessProbe": ready}])
        await n.advance(15)
        await n.stop()
        await n.start()
        await n.advance(4.5)
        assert not n.handlers.asked
        await n.advance(5)
        assert n.container().ready


async def test_a_new_kubelet_spreads_the_probes_it_takes_over(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        live = {"tcpSocket": {"port": 1}, "periodSeconds": 10}
        for number in range(20):
            n.pod(f"p{number}", containers=[{"name": "c", "livenessProbe": live}])
        await n.advance(5)
        await n.stop()
        n.handlers.asked.clear()
        await n.start()
        await n.advance(10.5)
        times = {at for at, _ in n.handlers.asked}
        assert len(times) >= 20
        assert max(times) - min(times) > 5


async def test_a_thousand_probes_keep_time_beside_slow_ones() -> None:
    """So many may begin at once; those that hang give way to the others after a second."""
    clock = VirtualClock()
    schedule, asked = ProbeSchedule(clock), defaultdict(list)

    def again(number: int, due: float) -> None:
        async def work() -> None:
            asked[number].append(clock.monotonic())
            again(number, due + 10)
            await clock.sleep(300 if number < 100 else 0.01)

        schedule.at(due, work)

    for number in range(1000):
        again(number, 5 + number / 100)
    task = asyncio.create_task(schedule.run())
    await clock.advance(100)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert all(len(times) in (9, 10) for times in asked.values())
    lates = [at - (5 + number / 100 + 10 * turn) for number, times in asked.items() for turn, at in enumerate(times)]
    assert min(lates) > -0.01 and max(lates) <= 1.0 + 1e-6


async def test_a_cancelled_probe_is_not_asked() -> None:
    clock = VirtualClock()
    schedule, asked = ProbeSchedule(clock), []

    async def work() -> None:
        asked.append("begun")
        await clock.sleep(100)
        asked.append("ended")

    waiting, running = schedule.at(5, work), schedule.at(1, work)
    task = asyncio.create_task(schedule.run())
    await clock.advance(2)
    waiting.cancel()
    running.cancel()
    await clock.advance(200)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert asked == ["begun"]
    assert schedule.statistics()["asked"] == 1
