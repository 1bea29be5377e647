"""Eviction: the judgement and the ranking by scenario, the limits on disk, the loop around them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from sampan.api.kinds import core_v1
from sampan.kubelet.eviction.decide import State, judge
from sampan.kubelet.eviction.ranking import PodUsage, message, ranked
from sampan.kubelet.eviction.signals import SIGNALS, Observation
from sampan.kubelet.eviction.storage import DiskUse, excess
from sampan.kubelet.eviction.thresholds import BadThreshold, amount_of, thresholds
from sampan.kubelet.machine import Usage

from . import harness
from .harness import node

FOLDER = Path(__file__).parents[2] / "scenarios" / "eviction"
CASES = sorted(FOLDER.glob("*.yaml"))


def pod(name: str = "p", *, annotations: dict[str, str] | None = None, **spec: Any) -> Any:
    containers = [{"name": "c", **c} for c in spec.pop("containers", [{}])]
    body = {"metadata": {"name": name, "uid": name, "annotations": annotations}, "spec": {"containers": containers}}
    body["spec"] |= spec
    return msgspec.convert(body, core_v1.Pod)


def requests(**amounts: str) -> dict[str, Any]:
    return {"containers": [{"resources": {"requests": amounts}}]}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_pressure(path: Path) -> None:
    """A story: what is seen at each time, and what the node then shows and acts on."""
    case = yaml.safe_load(path.read_text())
    given = case["thresholds"]
    found = thresholds(given.get("hard", {}), given.get("soft", {}), given.get("grace", {}), given.get("reclaim", {}))
    state = State()
    for step in case["steps"]:
        seen = {name: Observation(*values) for name, values in step["seen"].items()}
        judgement = judge(found, seen, state, step["at"], case.get("transition", 300))
        state = judgement.state
        told = {"conditions": list(judgement.conditions), "acting": [t.signal for t in judgement.acting]}
        assert told == {"conditions": step.get("conditions", []), "acting": step.get("acting", [])}, step


@pytest.mark.parametrize(
    ("hard", "soft", "grace", "problem"),
    [
        ({"disk.available": "1Gi"}, {}, {}, "unknown eviction signal disk.available"),
        ({"memory.available": "lots"}, {}, {}, "'lots' is neither a quantity nor a percentage"),
        ({"memory.available": "120%"}, {}, {}, "no percentage from 0% to 100%"),
        ({"memory.available": "-1Gi"}, {}, {}, "below zero"),
        ({}, {"memory.available": "1Gi"}, {}, "evictionSoftGracePeriod has no time for memory.available"),
    ],
)
def test_bad_thresholds(hard: dict[str, str], soft: dict[str, str], grace: dict[str, float], problem: str) -> None:
    with pytest.raises(BadThreshold, match=problem):
        thresholds(hard, soft, grace, {})


def test_thresholds_that_are_off() -> None:
    assert (
        thresholds({"memory.available": "0%", "nodefs.available": "0", "pid.available": "1"}, {}, {}, {})[0]
        == (thresholds({"pid.available": "1"}, {}, {}, {})[0])
    )
    assert amount_of("10%", 50) == 5


def test_what_pods_may_have_together_has_the_nodes_threshold() -> None:
    """As upstream's, where they are held to it."""
    found = thresholds({"memory.available": "100Mi"}, {}, {}, {}, held=True)
    assert [(t.signal, t.value) for t in found] == [
        ("memory.available", "100Mi"),
        ("allocatableMemory.available", "100Mi"),
    ]


MIB = 1 << 20
USES = [
    PodUsage(pod=pod("modest", **requests(memory="100Mi")), memory=90 * MIB),
    PodUsage(pod=pod("greedy", **requests(memory="100Mi")), memory=150 * MIB),
    PodUsage(pod=pod("greedier", **requests(memory="100Mi")), memory=300 * MIB),
    PodUsage(pod=pod("greedy-but-dear", priority=1000, **requests(memory="1Mi")), memory=900 * MIB),
    PodUsage(pod=pod("asked-for-nothing"), memory=10 * MIB, processes=9),
    PodUsage(pod=pod("critical", priority=2_000_000_000), memory=9000 * MIB, processes=999),
    PodUsage(pod=pod("static", annotations={"kubernetes.io/config.source": "file"}), memory=9000 * MIB),
]


def test_who_goes_first() -> None:
    order = [usage.pod.metadata.name for usage in ranked(USES, "memory")]
    assert order == ["greedier", "greedy", "asked-for-nothing", "greedy-but-dear", "modest"]
    assert ranked(USES, "pids")[0].pod.metadata.name == "asked-for-nothing"
    assert ranked(USES, "inodes")[-1].pod.metadata.name == "greedy-but-dear"


def test_what_it_is_told() -> None:
    threshold = thresholds({"memory.available": "100Mi"}, {}, {}, {})[0]
    used = PodUsage(pod=pod(**requests(memory="100Mi")), memory=150 * MIB, memory_of={"c": 150 * MIB})
    assert message(threshold, Observation(50 * MIB, 8000 * MIB), used) == (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. "
        "Container c was using 150Mi, request is 100Mi, has larger consumption of memory. "
    )
    assert SIGNALS["nodefs.inodesFree"].resource == "inodes"


IN_MEMORY = DiskUse(volumes={"v": 60 * MIB})
LIMITED = {"containers": [{"resources": {"limits": {"ephemeral-storage": "10Mi"}}}]}
SIZED = {"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "5Mi"}}]}


@pytest.mark.parametrize(
    ("made", "used", "text"),
    [
        (pod(**SIZED), DiskUse(volumes={"v": 6 * MIB}), 'Usage of EmptyDir volume "v" exceeds the limit "5Mi". '),
        (pod(**SIZED), DiskUse(volumes={"v": 4 * MIB}, containers={"c": 900 * MIB}), ""),
        (
            pod(**LIMITED, volumes=[{"name": "v", "emptyDir": {}}]),
            DiskUse(volumes={"v": 6 * MIB}, containers={"c": 6 * MIB}),
            "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ",
        ),
        (
            pod(**LIMITED),
            DiskUse(lent=11 * MIB),
            "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ",
        ),
        (
            pod(**LIMITED, volumes=[{"name": "v", "emptyDir": {"medium": "Memory"}}]),
            DiskUse(volumes={"v": 60 * MIB}),
            "",
        ),
        (
            pod(containers=[*LIMITED["containers"], {"name": "d"}]),
            DiskUse(containers={"c": 11 * MIB, "d": 900 * MIB}),
            'Container c exceeded its local ephemeral storage limit "10Mi". ',
        ),
    ],
)
def test_limits_on_disk(made: Any, used: DiskUse, text: str) -> None:
    assert excess(made, used) == text


class Shortage:
    """What the machine shows; tests change it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.usage = harness.usage(Path())
        monkeypatch.setattr(harness, "usage", lambda path: self.usage)

    def set(self, **values: int) -> None:
        self.usage: Usage = replace(self.usage, **values)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Shortage:
    return Shortage(monkeypatch)


async def test_a_node_short_of_memory(tmp_path: Path, machine: Shortage) -> None:
    async with node(tmp_path) as n:
        n.pod("small")
        n.pod("dear", priority=5)
        await n.advance(11)
        machine.set(memory_available=50 * MIB)
        await n.advance(9)
        await n.advance(0.5)
        assert n.status("small").phase == "Failed"
        assert n.status("small").reason == "Evicted"
        assert "The node was low on resource: memory. Threshold quantity: 100Mi" in n.status("small").message
        target = next(c for c in n.status("small").conditions if c.type == "DisruptionTarget")
        assert (target.status, target.reason) == ("True", "TerminationByKubelet")
        assert n.status("dear").phase == "Running", "one pod at a time, and time for its end"
        assert shown(n, "MemoryPressure") == "True"
        n.pod("late")
        await n.advance(0)
        assert n.status("late").message == "Pod was rejected: The node had condition: [MemoryPressure]. "
        machine.set(memory_available=4 << 30)
        await n.advance(290)
        assert shown(n, "MemoryPressure") == "True", "for the transition period"
        await n.advance(30)
        assert shown(n, "MemoryPressure") == "False"
        assert any("EvictionThresholdMet: Attempting to reclaim memory" in event for event in n.events())


async def test_no_other_goes_while_memory_is_given_back(
    tmp_path: Path, machine: Shortage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A memory-backed emptyDir holds its memory until it is unmounted, long after the container has ended."""
    async with node(tmp_path) as n:
        n.pod("hog")
        n.pod("dear", priority=5)
        await n.advance(11)
        unmounted, take_down = asyncio.Event(), n.mounter.take_down

        async def slow(directory: Path) -> list[str]:
            await unmounted.wait()
            machine.set(memory_available=4 << 30)
            return await take_down(directory)

        monkeypatch.setattr(n.mounter, "take_down", slow)
        machine.set(memory_available=50 * MIB)
        await n.advance(25)
        unmounted.set()
        await n.advance(25)
        assert (n.status("hog").reason, n.status("dear").phase) == ("Evicted", "Running")


async def test_images_go_before_pods(tmp_path: Path, machine: Shortage) -> None:
    async with node(tmp_path) as n:
        n.pod()
        n.runtime.registry.add("unused")
        await n.runtime.pull_image("unused", None, None)
        await n.advance(5)
        machine.set(disk_available=1 << 30)
        n.runtime.on_remove = lambda image: machine.set(disk_available=50 << 30)
        await n.advance(11)
        assert list(n.runtime.images) == [harness.IMAGE], "kept: it is used"
        assert n.status().phase == "Running"
        assert shown(n, "DiskPressure") == "True"


async def test_ended_pods_containers_go_before_their_images(tmp_path: Path, machine: Shortage) -> None:
    """What the API was told of them stays, also with a kubelet that never saw them run."""
    async with node(tmp_path) as n:
        n.runtime.registry.add("r/done:1")
        n.pod("done", restartPolicy="Never", containers=[{"name": "d", "image": "r/done:1"}])
        n.pod()
        await n.advance(5)
        n.runtime.exit("d", 3)
        await n.advance(1)
        logs = n.kubelet.pods.find("default", "done").observer._log_folder
        assert logs.exists()
        told = n.container("d", pod="done")
        machine.set(disk_available=1 << 30)
        n.runtime.on_remove = lambda image: machine.set(disk_available=50 << 30)
        await n.advance(11)
        assert list(n.runtime.images) == [harness.IMAGE]
        assert len(n.runtime.sandboxes) == 1
        assert not logs.exists()
        assert n.status().phase == "Running"
        await n.stop()
        await n.start()
        await n.advance(1)
        assert (n.status("done").phase, n.container("d", pod="done")) == ("Failed", told)
        assert told.state.terminated.exitCode == 3


async def test_a_pod_over_its_limit_on_disk(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod("bounded", **LIMITED_POD)
        n.pod("free")
        await n.advance(11)
        n.runtime.layers["c"] = 11 * MIB
        await n.advance(11)
        assert n.status("bounded").message.startswith("Pod ephemeral local storage usage exceeds the total limit")
        assert n.status("free").phase == "Running"


LIMITED_POD = {"containers": [{"name": "c", **LIMITED["containers"][0]}]}


async def test_a_runtime_that_is_away_stops_no_eviction(tmp_path: Path, machine: Shortage) -> None:
    async with node(tmp_path) as n:
        n.pod()
        await n.advance(5)
        n.runtime.fail("container_stats", "no statistics", times=9)
        n.runtime.fail("list_images", "no images", times=9)
        machine.set(disk_inodes_free=1)
        await n.advance(11)
        assert n.status().reason == "Evicted"
        assert n.status().message == "The node was low on resource: inodes. Threshold quantity: 50, available: 1. "


def shown(n: harness.Node, condition: str) -> str:
    found = n.api.peek(core_v1.Node, "n1").status.conditions
    return next(c.status for c in found if c.type == condition)
