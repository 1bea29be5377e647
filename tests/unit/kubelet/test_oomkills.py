"""What ended for want of memory, where the runtime has missed it: the pod's own cgroup (v2) counts the kills."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .harness import node

BOTH = [{"name": "c"}, {"name": "d"}]


def counted(n: Any, kills: int) -> None:
    """The kernel's count for the pod."""
    cgroups = n.kubelet.resources.upkeep.cgroups
    folder = cgroups.tree.folder("memory", cgroups.name(n.get()))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.events").write_text(f"low 0\noom 1\noom_kill {kills}\n")


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    """Of a machine with cgroup v2."""
    folder = tmp_path / "cgroup"
    folder.mkdir()
    (folder / "cgroup.controllers").write_text("memory")
    return folder


async def test_a_kill_that_the_runtime_missed(tmp_path: Path, mount: Path) -> None:
    async with node(tmp_path, cgroup_mount=mount) as n:
        n.pod(containers=BOTH, restartPolicy="Never")
        await n.advance(5)
        assert n.runtime.config("c").linux.resources.unified["memory.oom.group"] == "1"
        counted(n, 3)
        n.runtime.exit("c", 137)
        await n.advance(5)
        assert n.container("c").state.terminated.reason == "OOMKilled"
        n.runtime.exit("d", 137)
        await n.advance(5)
        assert n.container("d").state.terminated.reason == "Error", "that was somebody else's SIGKILL"
        await n.stop()
        await n.start()
        await n.advance(5)
        reasons = [n.container(name).state.terminated.reason for name in "cd"]
        assert reasons == ["OOMKilled", "Error"], "a new kubelet says the same"


async def test_one_process_alone_when_told_so(tmp_path: Path, mount: Path) -> None:
    async with node(tmp_path, cgroup_mount=mount, single_process_oom_kill=True) as n:
        n.pod()
        await n.advance(5)
        assert "memory.oom.group" not in n.runtime.config("c").linux.resources.unified
