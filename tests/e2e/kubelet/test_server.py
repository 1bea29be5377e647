"""Every page of the node's server, of a node that runs something."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import aiohttp

from .harness import Machine, Node, eventually, running_node


async def ask(node: Node, path: str, method: str = "GET", **more: Any) -> tuple[int, str]:
    url = f"http://127.0.0.1:{node.kubelet.server.port}{path}"
    async with aiohttp.ClientSession() as session, session.request(method, url, **more) as response:
        return response.status, await response.text()


async def test_every_page(machine: Machine) -> None:
    node = Node(machine)
    node.config = replace(node.config, node_logs=node.config.log_root)
    async with running_node(node):
        ready = {"exec": {"command": ["true"]}, "periodSeconds": 1}
        script = ["sh", "-c", "echo said; exec sleep 1000"]
        node.pod(containers=[{"name": "c", "command": script, "readinessProbe": ready}])
        await node.running()
        uid = node.get().metadata.uid

        async def page(path: str) -> str:
            status, text = await ask(node, path)
            assert status == 200, (path, text)
            return text

        for path in ("/healthz", "/healthz/ping", "/healthz/syncloop", "/healthz/log"):
            assert await page(path) == "ok"
        (pod,) = json.loads(await page("/pods"))["items"]
        assert (pod["metadata"]["name"], pod["metadata"]["uid"]) == ("p", uid)
        (running,) = json.loads(await page("/runningpods/"))["items"]
        assert running["metadata"]["uid"] == uid
        assert json.loads(await page("/configz"))["kubeletconfig"]["maxPods"] == 110
        (stats,) = json.loads(await page("/stats/summary"))["pods"]
        assert stats["podRef"]["uid"] == uid
        for path, metric in METRICS.items():
            assert metric in await page(path)
        assert "\nUp: 0 hr 00 min " in await page("/statusz")
        assert "\nmax-pods=110\n" in await page("/flagz")
        assert await ask(node, "/run/default/p/c?cmd=echo+hello", "POST") == (200, "hello\n")
        folder = f"default_p_{uid}"
        assert f'<a href="{folder}/">' in await page("/logs/")
        await eventually(lambda: (node.config.log_root / folder / "c" / "0.log").stat().st_size)
        assert (await page(f"/logs/{folder}/c/0.log")).endswith(" stdout F said\n")
        assert await page("/containerLogs/default/p/c") == "said\n"
        await checkpointed(node)
        assert (await ask(node, "/nowhere"))[0] == 404


METRICS = {
    "/metrics": 'kubelet_running_containers{container_state="running"} 1.0',
    "/metrics/resource": 'container_memory_working_set_bytes{container="c",namespace="default",pod="p"}',
    "/metrics/cadvisor": "container_cpu_usage_seconds_total",
    "/metrics/probes": "prober_probe_total",
    "/metrics/slis": "kubernetes_healthcheck",
}


async def checkpointed(node: Node) -> None:
    """Where the runtime can; else it says so, as upstream's kubelet does."""
    status, text = await ask(node, "/checkpoint/default/p/c", "POST")
    if status == 200:
        return
    assert status == 500
    assert text.startswith("checkpointing of default/p/c failed (")
