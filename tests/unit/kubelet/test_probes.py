"""Probes in virtual time."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

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
