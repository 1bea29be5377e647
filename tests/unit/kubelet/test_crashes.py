"""Kubelet or runtime killed wherever a pod's life waits, in virtual time: nothing is done twice, nothing is left.

The kubelet dies at every suspension of every task of its own (`sampan.testing.lives`): a first telling of a story
counts them, then it is told again for each. Those are alike where the same task stands at the same lines; of each kind
the first is taken, and with `SAMPAN_POINTS=N` the first N. The runtime goes away after each call.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sampan.api.kinds import core_v1, meta_v1
from sampan.testing.lives import Fatal

from .harness import IMAGE
from .mortal import MortalNode

TIMES = int(os.environ.get("SAMPAN_POINTS", "1"))
PULLED = "example.com/pulled:1"
PROBE = {"tcpSocket": {"port": 1}, "periodSeconds": 10}
HOOKS = {"postStart": {"exec": {"command": ["hello"]}}, "preStop": {"exec": {"command": ["bye"]}}}
AGAIN = [{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [88]}}]
SMALL, LARGE = ({"cpu": amount, "memory": "64Mi"} for amount in ("100m", "200m"))
POD: dict[str, Any] = {
    "initContainers": [
        {"name": "i", "command": ["work"]},
        {"name": "s", "restartPolicy": "Always", "startupProbe": PROBE},
    ],
    "containers": [
        {
            "name": "a",
            "lifecycle": HOOKS,
            "restartPolicy": "Always",
            "restartPolicyRules": AGAIN,
            "resources": {"requests": SMALL, "limits": SMALL},
        },
        {"name": "b", "image": PULLED, "readinessProbe": PROBE},
    ],
    "volumes": [
        {"name": "v", "emptyDir": {}},
        {"name": "settings", "configMap": {"name": "settings"}},
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
    ],
}
SETTLED = 15
ONCE = {"i": 1, "s": 1, "a": 1, "b": 1}
Act = Callable[[MortalNode], Awaitable[None]]


async def begin(n: MortalNode) -> None:
    n.pod(**POD)


async def crash(n: MortalNode) -> None:
    n.runtime.exit("a", 3)


async def begin_again(n: MortalNode) -> None:
    n.runtime.exit("a", 88)


async def delete(n: MortalNode) -> None:
    await n.api.delete(core_v1.Pod, "p", "default")


async def change(n: MortalNode) -> None:
    n.api.change(core_v1.ConfigMap, "settings", "default", lambda found: setattr(found, "data", {"color": "red"}))


async def resize(n: MortalNode) -> None:
    wanted = core_v1.ResourceRequirements(requests=dict(LARGE), limits=dict(LARGE))
    n.api.change(core_v1.Pod, "p", "default", lambda pod: setattr(pod.spec.containers[0], "resources", wanted))


async def write_manifest(n: MortalNode) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "s"}}
    spec = {"containers": [{"name": "c", "image": IMAGE}]}
    (n.config.root.parent / "manifests" / "s.json").write_text(json.dumps({**pod, "spec": spec}))


def runs_as(n: MortalNode, starts: dict[str, int]) -> None:
    assert n.starts() == starts
    assert n.status().phase == "Running"
    assert sorted(n.runtime.running()) == ["a", "b", "s"]
    assert len(n.runtime.sandboxes) == 1
    assert {name: n.container(name).restartCount for name in starts} == {name: m - 1 for name, m in starts.items()}
    assert n.condition("Ready") == "True"


def shows(n: MortalNode, color: str) -> None:
    runs_as(n, ONCE)
    (path,) = (n.config.root / "pods").glob("*/volumes/*/settings/color")
    assert path.read_text() == color


def is_resized(n: MortalNode) -> None:
    runs_as(n, ONCE)
    assert n.container("a").resources.requests == LARGE
    assert n.status().conditions is not None and not [c for c in n.status().conditions if "Resize" in c.type]


def is_gone(n: MortalNode) -> None:
    assert n.get() is None
    assert n.starts() == ONCE
    assert not n.runtime.sandboxes and not n.runtime.containers
    assert not list((n.config.root / "pods").iterdir())
    assert not list(n.config.log_root.iterdir())


def is_mirrored(n: MortalNode) -> None:
    assert n.starts() == {"c": 1}
    assert len(n.runtime.sandboxes) == 1
    assert n.status("s-n1").phase == "Running"


class Story(NamedTuple):
    """`act` begins what takes `seconds`; then `holds`. `after`: the pod runs by then."""

    act: Act
    holds: Callable[[MortalNode], None]
    after: bool = True
    seconds: float = 3.0


STORIES = {
    "begins": Story(begin, lambda n: runs_as(n, ONCE), after=False),
    "restarts": Story(crash, lambda n: runs_as(n, {**ONCE, "a": 2})),
    "begins again": Story(begin_again, lambda n: runs_as(n, {"i": 2, "s": 2, "a": 2, "b": 2})),
    "changes": Story(change, lambda n: shows(n, "red")),
    "is resized": Story(resize, is_resized),
    "ends": Story(delete, is_gone),
    "is static": Story(write_manifest, is_mirrored, after=False),
}


async def prepared(folder: Path, story: Story, fatal: Fatal | None = None) -> MortalNode:
    (folder / "manifests").mkdir(parents=True)
    n = MortalNode(folder, fatal=fatal, static_pod_path=folder / "manifests")
    n.runtime.commands["work"] = 0
    n.runtime.registry.add(PULLED)
    meta = {name: meta_v1.ObjectMeta(name=name, namespace="default") for name in ("settings", "default")}
    n.api.add(core_v1.ConfigMap(metadata=meta["settings"], data={"color": "blue"}))
    n.api.add(core_v1.ServiceAccount(metadata=meta["default"]))
    await n.start()
    if story.after:
        await begin(n)
        await n.advance(2)
    await story.act(n)
    return n


def chosen(points: Sequence[Fatal]) -> list[Fatal]:
    """The first of each place."""
    seen: Counter[tuple[str, ...]] = Counter()
    found = []
    for point in points:
        seen[point.place] += 1
        found += [point] if seen[point.place] <= TIMES else []
    return found


@pytest.mark.parametrize("name", STORIES)
async def test_killed_wherever_it_waits(tmp_path: Path, name: str) -> None:
    story = STORIES[name]
    whole = await prepared(tmp_path / "whole", story)
    lived = len(whole.life.points) if story.after else 0
    await whole.advance(SETTLED)
    story.holds(whole)
    await whole.end()
    points = chosen(whole.life.points[lived:])
    assert len(points) > 10
    for number, fatal in enumerate(points):
        n = await prepared(tmp_path / str(number), story, fatal)
        await n.advance(SETTLED)
        assert n.life.died.is_set(), f"not killed at {fatal}"
        try:
            story.holds(n)
        except AssertionError as error:
            raise AssertionError(f"killed at {fatal}") from error
        finally:
            await n.end()
    print(f"{len(points)} of {len(whole.life.points) - lived} points")


async def kill_runtime(n: MortalNode) -> None:
    n.runtime.go_away()
    await n.advance(2)
    n.runtime.come_back()


async def kill_both(n: MortalNode) -> None:
    """As when the machine's services are restarted by an upgrade."""
    n.runtime.go_away()
    n.kill()
    await n.advance(2)
    n.runtime.come_back()


DEATHS = [(name, kill_runtime) for name in ("begins", "restarts", "begins again", "ends")]
DEATHS += [("restarts", kill_both), ("ends", kill_both)]


@pytest.mark.parametrize(("name", "kill"), DEATHS)
async def test_the_runtime_goes_away_after_every_call(tmp_path: Path, name: str, kill: Act) -> None:
    story = STORIES[name]
    whole = await prepared(tmp_path / "whole", story)
    steps = await whole.steps_until(story.seconds)
    await whole.end()
    for step in steps:
        n = await prepared(tmp_path / str(step), story)
        await n.live(step)
        await kill(n)
        await n.advance(SETTLED)
        try:
            story.holds(n)
        except AssertionError as error:
            raise AssertionError(f"gone at step {step} of {steps[-1]}") from error
        finally:
            await n.end()
