"""Pods on real containers."""

from __future__ import annotations

import time

from .harness import Node, eventually


async def test_a_pod_starts_logs_and_goes(node: Node) -> None:
    began = time.monotonic()
    node.pod(containers=[{"name": "c", "command": ["sh", "-c", "echo hello; exec sleep 1000"]}])
    status = await node.running()
    took = time.monotonic() - began
    assert status.podIP.startswith(node.machine.subnet)
    assert took < 1.5
    await eventually(lambda: node.kubelet.publisher.statistics()["waiting"] == 0)
    assert await node.log() == "hello\n"
