"""The node ends its pods when it is told to end: by their priority, each with its grace as far as there is time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .harness import Machine, Node, eventually

CRITICAL = 2_000_000_000
SAYS = "trap 'echo {0} >> /v/order; {1}' TERM; while :; do sleep 0.05; done"


def pod(node: Node, name: str, priority: int, then: str = "exit 0", grace: int = 60) -> None:
    volume = {"name": "v", "hostPath": {"path": str(node.folder / "ends"), "type": "DirectoryOrCreate"}}
    container = {"name": "c", "command": ["sh", "-c", SAYS.format(name, then)]}
    node.pod(
        name,
        priority=priority,
        terminationGracePeriodSeconds=grace,
        volumes=[volume],
        containers=[{**container, "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
    )


async def test_pods_end_by_priority(machine: Machine) -> None:
    """One that does not heed the signal has the time of its stage, however long its grace; a critical one is last."""
    node = Node(machine)
    stages = ((0, 2.0), (1000, 10.0), (CRITICAL, 10.0))
    node.config = replace(node.config, shutdown_grace_by_priority=stages, shutdown_on_stop=True)
    await node.start()
    try:
        pod(node, "deaf", 0, then=":")
        pod(node, "low", 0)
        pod(node, "high", 1000, then="sleep 0.5; exit 0")
        pod(node, "critical", CRITICAL)
        names = ("deaf", "low", "high", "critical")
        for name in names:
            await node.running(name)
    finally:
        await node.stop()
    order = (node.folder / "ends" / "order").read_text().split()
    assert sorted(order[:2]) == ["deaf", "low"] and order[2:] == ["high", "critical"]
    for name in names:
        status = node.get(name).status
        assert (status.phase, status.reason) == ("Failed", "Terminated")
        assert status.message == "Pod was terminated in response to imminent node shutdown."
        assert condition(status, "DisruptionTarget").reason == "TerminationByKubelet"
    assert node.container(pod="deaf").state.terminated.exitCode == 137
    assert node.container(pod="high").state.terminated.exitCode == 0
    node.config = replace(node.config, shutdown_on_stop=False)
    await node.start()
    try:
        node.pod("next")
        await node.running("next")
        assert node.phase("low") == "Failed", "what has ended stays so"
        await node.clear()
        await eventually(lambda: not list(node.config.log_root.iterdir()))
    finally:
        await node.stop()


def condition(status: Any, name: str) -> Any:
    return next(c for c in status.conditions if c.type == name)
