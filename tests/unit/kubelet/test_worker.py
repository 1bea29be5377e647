"""Pods from birth to death, against a runtime in memory and in virtual time."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampan.api.kinds import core_v1
from .harness import node


async def test_a_pod_runs_and_says_so(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod()
        await n.advance(1)
        assert n.runtime.running() == ["c"]
        status = n.status()
        assert (status.phase, status.podIP, status.hostIP, status.qosClass) == (
            "Running",
            "10.9.0.2",
            "192.0.2.1",
            "BestEffort",
        )
        assert n.condition("Ready") == "True"
        assert n.container().state.running is not None
        assert n.container().ready
