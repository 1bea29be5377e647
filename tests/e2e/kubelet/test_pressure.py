"""A node that runs short in earnest: a threshold below what is free, a pod that takes it; room for critical pods."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sampan.api.kinds import core_v1
from sampan.kubelet.machine import machine as this_machine
from sampan.kubelet.machine import usage

from .harness import IMAGE, Machine, Node, eventually, running_node
from .test_resources import is_short

MIB = 1 << 20
PODS, LEFT = 1024, 384
"""MiB that all pods may have together, and the threshold."""
HOLD = "dd if=/dev/zero bs={}M count=1 2>/dev/null | sleep 1000 & "
"""Holds so much memory: what dd has read waits for somebody who does not read it."""
FORK = "for i in $(seq {}); do sleep 1000 & done; "


class Shortage(NamedTuple):
    """What the node is short of when `threshold` is met; the modest pod does `modest`, the greedy one often `step`."""

    resource: str
    condition: str
    threshold: dict[str, str]
    modest: str
    step: str
    steps: int


def memory(machine: Machine) -> Shortage:
    """Of that which pods may have together: how much the machine has left is others' doing, too."""
    step = 64
    most = (PODS - 2 * step) // step
    return Shortage(
        "memory", "MemoryPressure", {"memory.available": f"{LEFT}Mi"}, HOLD.format(16), HOLD.format(step), most
    )


def processes(machine: Machine) -> Shortage:
    seen = usage(machine.folder)
    threshold = {"pid.available": str(seen.pids_most - seen.pids - 400)}
    return Shortage("pids", "PIDPressure", threshold, FORK.format(5), FORK.format(100), 12)


def shell(script: str, **more: Any) -> dict[str, Any]:
    return {"name": "c", "command": ["sh", "-c", script], **more}


def evicted(node: Node) -> list[str]:
    """Who went, in order."""
    return [event.involvedObject.name for event in node.api.all(core_v1.Event) if event.reason == "Evicted"]


@pytest.mark.parametrize("shortage", [memory, processes])
async def test_a_pod_takes_what_there_is(machine: Machine, shortage: Callable[[Machine], Shortage]) -> None:
    """It goes and nobody else: not one that takes a little more than it asked for, nor one that keeps to it."""
    short, whole = shortage(machine), this_machine().memory
    node = Node(machine)
    node.config = replace(
        node.config,
        kube_reserved={"memory": str(whole - PODS * MIB)},
        eviction_check=0.2,
        eviction_hard=short.threshold,
        eviction_transition=1.0,
    )
    shared = node.folder / "go"
    volume = {"name": "go", "hostPath": {"path": str(shared), "type": "DirectoryOrCreate"}}
    wait = "until test -e /go/now; do sleep 0.1; done"
    takes = f"{wait}; for n in $(seq {short.steps}); do {short.step} sleep 0.2; done; wait"
    async with running_node(node):
        enough = {"requests": {"memory": "64Mi"}}
        node.pod("calm", containers=[shell("exec sleep 1000", resources=enough)])
        node.pod("modest", containers=[shell(f"{short.modest} wait")])
        mounts = [{"name": "go", "mountPath": "/go"}]
        node.pod("greedy", volumes=[volume], containers=[shell(takes, volumeMounts=mounts)])
        for name in ("calm", "modest", "greedy"):
            await node.running(name)
        assert not is_short(node, short.condition)
        (shared / "now").touch()
        await eventually(lambda: is_short(node, short.condition), about=node.events)
        status = await node.ended("greedy")
        assert status.reason == "Evicted"
        assert status.message.startswith(f"The node was low on resource: {short.resource}. Threshold quantity: ")
        await eventually(lambda: not is_short(node, short.condition))
        assert evicted(node) == ["greedy"]
        assert (node.phase("calm"), node.phase("modest")) == ("Running", "Running")


@pytest.fixture
def manifests(machine: Machine) -> Iterator[Path]:
    folder = machine.folder / "critical"
    folder.mkdir()
    yield folder
    folder.rmdir()


async def test_critical_pods_are_given_room(machine: Machine, manifests: Path) -> None:
    """A static pod, then one of a critical class: of those that are in the way as few as will do, the cheapest first;
    it starts when they have ended."""
    node = Node(machine)
    node.config = replace(node.config, static_pod_path=manifests)
    part = f"{len(os.sched_getaffinity(0)) * 400}m"
    ask = {"requests": {"cpu": part, "memory": "16Mi"}}
    stays = "trap 'sleep 1; exit 0' TERM; while :; do sleep 0.1; done"
    async with running_node(node):
        node.pod("dear", containers=[shell(stays, resources={**ask, "limits": ask["requests"]})])
        node.pod("cheap", containers=[shell(stays, resources=ask)])
        node.pod("small", containers=[shell("exec sleep 1000")])
        for name in ("dear", "cheap", "small"):
            await node.running(name)
        container = shell("exec sleep 1000", image=IMAGE, resources=ask)
        spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "s"}, "spec": spec}
        (manifests / "s.json").write_text(json.dumps(pod))
        await node.running("s-n1")
        assert preempted(node) == ["cheap"]
        node.pod("critical", containers=[container], priority=2_000_001_000)
        await node.running("critical")
        assert preempted(node) == ["cheap", "dear"]
        for name in ("cheap", "dear"):
            status = node.get(name).status
            assert (status.reason, status.message) == ("Preempting", "Preempted in order to admit critical pod")
            ended = node.container(pod=name).state.terminated
            assert (ended.exitCode, ended.reason) == (0, "Completed"), "it has had its grace"
        assert started(node, "s-n1") >= node.container(pod="cheap").state.terminated.finishedAt
        assert started(node, "critical") >= node.container(pod="dear").state.terminated.finishedAt
        assert node.phase("small") == "Running"
        node.pod("late", containers=[shell("exit 0", resources=ask)])
        assert (await node.ended("late")).reason == "OutOfcpu"
        (manifests / "s.json").unlink()
        await node.gone("s-n1")


def preempted(node: Node) -> list[str]:
    return sorted(pod.metadata.name for pod in node.api.all(core_v1.Pod) if pod.status.reason == "Preempting")


def started(node: Node, pod: str) -> str:
    return str(node.container(pod=pod).state.running.startedAt)
