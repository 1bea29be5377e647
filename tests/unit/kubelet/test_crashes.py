"""Kubelet or runtime killed at every await of a pod's life, in virtual time: nothing is done twice, nothing is left."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sampan.api.kinds import core_v1

from .mortal import MortalNode

PROBE = {"tcpSocket": {"port": 1}, "periodSeconds": 10}
HOOKS = {"postStart": {"exec": {"command": ["hello"]}}, "preStop": {"exec": {"command": ["bye"]}}}
AGAIN = [{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [88]}}]
POD: dict[str, Any] = {
    "initContainers": [
        {"name": "i", "command": ["work"]},
        {"name": "s", "restartPolicy": "Always", "startupProbe": PROBE},
    ],
    "containers": [
        {"name": "a", "lifecycle": HOOKS, "restartPolicy": "Always", "restartPolicyRules": AGAIN},
        {"name": "b", "readinessProbe": PROBE},
    ],
    "volumes": [{"name": "v", "emptyDir": {}}],
}
SETTLED = 15
ONCE = {"i": 1, "s": 1, "a": 1, "b": 1}
Act = Callable[[MortalNode], Awaitable[None]]


async def nothing(n: MortalNode) -> None:
    pass


async def crash(n: MortalNode) -> None:
    n.runtime.exit("a", 3)


async def begin_again(n: MortalNode) -> None:
    n.runtime.exit("a", 88)


async def delete(n: MortalNode) -> None:
    await n.api.delete(core_v1.Pod, "p", "default")


def runs_as(n: MortalNode, starts: dict[str, int]) -> None:
    assert n.starts() == starts
    assert n.status().phase == "Running"
    assert sorted(n.runtime.running()) == ["a", "b", "s"]
    assert len(n.runtime.sandboxes) == 1
    assert {name: n.container(name).restartCount for name in starts} == {name: m - 1 for name, m in starts.items()}
    assert n.condition("Ready") == "True"


def is_gone(n: MortalNode) -> None:
    assert n.get() is None
    assert n.starts() == ONCE
    assert not n.runtime.sandboxes and not n.runtime.containers
    assert not list((n.config.root / "pods").iterdir())
    assert not list(n.config.log_root.iterdir())


LIVES: dict[str, tuple[Act, float, Callable[[MortalNode], None]]] = {
    "begins": (nothing, 3, lambda n: runs_as(n, ONCE)),
    "restarts": (crash, 3, lambda n: runs_as(n, {**ONCE, "a": 2})),
    "begins again": (begin_again, 3, lambda n: runs_as(n, {"i": 2, "s": 2, "a": 2, "b": 2})),
    "ends": (delete, 3, is_gone),
}


async def prepared(folder: Path, act: Act) -> MortalNode:
    n = MortalNode(folder)
    n.runtime.commands["work"] = 0
    await n.start()
    n.pod(**POD)
    if act is not nothing:
        await n.advance(2)
        await act(n)
    return n


async def kill_kubelet(n: MortalNode) -> None:
    await n.kill()
    await n.start()


async def kill_runtime(n: MortalNode) -> None:
    n.runtime.go_away()
    await n.advance(2)
    n.runtime.come_back()


async def kill_both(n: MortalNode) -> None:
    """As when the machine's services are restarted by an upgrade."""
    await n.kill()
    n.runtime.go_away()
    await n.start()
    await n.advance(2)
    n.runtime.come_back()


DEATHS = [(life, kill) for life in LIVES for kill in (kill_kubelet, kill_runtime)]
DEATHS += [("restarts", kill_both), ("ends", kill_both)]


@pytest.mark.parametrize(("life", "kill"), DEATHS)
async def test_killed_at_every_await(tmp_path: Path, life: str, kill: Act) -> None:
    act, seconds, holds = LIVES[life]
    whole = await prepared(tmp_path / "whole", act)
    steps = await whole.steps_until(seconds)
    await whole.kill()
    for step in range(steps):
        n = await prepared(tmp_path / str(step), act)
        await n.live(step)
        await kill(n)
        await n.advance(SETTLED)
        try:
            holds(n)
        except AssertionError as error:
            raise AssertionError(f"killed at step {step} of {steps}") from error
        finally:
            await n.kill()
