"""Pods on real containers: birth, work, death."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import aiohttp

from sampan.kubelet.restarts import CrashBackoff

from .harness import FastClock, Machine, Node, eventually, running_node

FOREVER = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]


def shell(script: str, **more: Any) -> dict[str, Any]:
    return {"name": "c", "command": ["sh", "-c", script], **more}


async def test_a_pod_starts_logs_and_goes(node: Node) -> None:
    node.pod(containers=[shell("echo hello; trap 'exit 0' TERM; while :; do sleep 0.1; done")])
    status = await node.running()
    assert status.podIP.startswith(node.machine.subnet)
    assert status.qosClass == "BestEffort"
    shown = {condition.type: condition.status for condition in status.conditions}
    assert shown.pop("PodScheduled", "True") == "True", "the scheduler's, where there is one"
    kinds = ("PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready")
    assert shown == dict.fromkeys(kinds, "True")
    await eventually_logs(node, "hello\n")
    assert any(event.startswith("Started:") for event in node.events())
    uid = node.get().metadata.uid
    await node.api.delete(type(node.get()), "p", "default")
    await node.gone()
    await eventually(lambda: node.kubelet.pods.get(uid) is None)
    assert not (node.folder / "kubelet" / "pods" / uid).exists()
    assert not list((node.folder / "logs").iterdir())
    assert not [s for s in await node.runtime.list_sandboxes() if s.metadata.uid == uid]


async def eventually_logs(node: Node, text: str, **query: Any) -> None:
    async def same() -> bool:
        return await node.log(**query) == text

    await eventually(same)


async def test_a_finished_pod_keeps_its_log_and_exit_code(node: Node) -> None:
    node.pod(restartPolicy="Never", containers=[shell("echo done; echo why > /dev/termination-log; exit 3")])
    status = await node.ended()
    assert status.phase == "Failed"
    ended = node.container().state.terminated
    assert (ended.exitCode, ended.reason, ended.message) == (3, "Error", "why\n")
    assert await node.log() == "done\n"


async def test_init_containers_run_in_order_before_the_sidecar_and_the_app(node: Node) -> None:
    say = "echo {0} >> /work/order"
    mount = [{"name": "work", "mountPath": "/work"}]
    node.pod(
        restartPolicy="Never",
        volumes=[{"name": "work", "emptyDir": {}}],
        initContainers=[
            {"name": "first", "command": ["sh", "-c", "sleep 0.3; " + say.format("first")], "volumeMounts": mount},
            {
                "name": "side",
                "restartPolicy": "Always",
                "command": ["sh", "-c", say.format("side") + "; exec sleep 1000"],
                "startupProbe": {"exec": {"command": ["grep", "side", "/work/order"]}, "periodSeconds": 1},
                "volumeMounts": mount,
            },
            {"name": "second", "command": ["sh", "-c", say.format("second")], "volumeMounts": mount},
        ],
        containers=[shell("cat /work/order", volumeMounts=mount)],
    )
    status = await node.ended()
    assert status.phase == "Succeeded"
    assert await node.log() == "first\nside\nsecond\n"
    await eventually(lambda: node.container("side").state.terminated is not None)


async def test_a_killed_container_restarts_and_its_former_log_stays(node: Node) -> None:
    node.pod(containers=[shell("echo one more; exec sleep 1000")])
    await node.running()
    first = node.container().containerID
    container_id = first.removeprefix("containerd://")
    await node.runtime.stop_container(container_id, 0)
    await eventually(lambda: node.container().restartCount == 1 and node.container().ready)
    assert node.container().containerID != first
    assert node.container().lastState.terminated.exitCode == 137
    await eventually_logs(node, "one more\n", previous="true")


async def test_a_crashing_container_backs_off(node: Node) -> None:
    node.pod(containers=[shell("exit 7")])
    await eventually(lambda: reason_of(node) == "CrashLoopBackOff")
    state = node.container()
    assert state.restartCount == 1
    assert state.lastState.terminated.exitCode == 7
    assert state.state.waiting.message.startswith("back-off 10s restarting failed container=c pod=p_default(")
    assert any(event.startswith("BackOff: Back-off restarting failed container c in pod p_") for event in node.events())
    assert node.phase() == "Running"


async def test_pulls_back_off_by_upstreams_times(machine: Machine) -> None:
    """10 s, and twice as long each time. The node's clock runs thirty times as fast."""
    node, asked = Node(machine, FastClock(30.0)), list[float]()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(node.clock.monotonic())
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, running_node(node):
        node.pod(containers=[{"name": "c", "image": f"127.0.0.1:{port}/no/such:1"}])
        await eventually(lambda: len(pulls(asked)) >= 4, about=lambda: asked)
        gaps = [later - sooner for sooner, later in itertools.pairwise(pulls(asked))]
        assert all(least <= gap < least + 100.0 for gap, least in zip(gaps, (9.0, 19.0, 39.0), strict=False)), gaps


def pulls(asked: Sequence[float]) -> list[float]:
    """When each began: the runtime asks several times for one."""
    return [time for before, time in itertools.pairwise([-100.0, *asked]) if time - before > 6.0]


async def test_crashes_back_off_twice_as_long_each_time(machine: Machine) -> None:
    """The first time at once, then from half a second here, up to two."""
    node = Node(machine)
    node.config = replace(node.config, crash_backoff=CrashBackoff(base=0.5, cap=2.0))
    async with running_node(node):
        node.pod(containers=[shell("date +%s.%N; exit 7")])
        starts: dict[int, float] = {}

        def looked() -> bool:
            status = node.container()
            if status is not None and (status.state.running or status.lastState.terminated):
                starts.setdefault(status.restartCount, node.clock.monotonic())
            return len(starts) > 4

        await eventually(looked, about=lambda: starts)
        gaps = [starts[number + 1] - starts[number] for number in (1, 2, 3)]
        assert all(gap > least for gap, least in zip(gaps, (0.4, 0.9, 1.9), strict=True)), gaps
        assert max(gaps) < 10.0, gaps


def reason_of(node: Node, pod: str = "p") -> str | None:
    status = node.container(pod=pod)
    return status.state.waiting.reason if status is not None and status.state.waiting else None


async def test_a_missing_image_is_told_in_the_registrys_words(node: Node) -> None:
    node.pod(containers=[{"name": "c", "image": "127.0.0.1:1/no/such:1"}])
    await eventually(lambda: reason_of(node) == "ErrImagePull")
    assert "connection refused" in node.container().state.waiting.message
    await eventually(lambda: reason_of(node) == "ImagePullBackOff")
    assert node.phase() == "Pending"
    assert any(
        event.startswith('Failed: Failed to pull image "127.0.0.1:1/no/such:1": failed to') for event in node.events()
    )


async def test_never_pulls_when_told_so(node: Node) -> None:
    node.pod(containers=[{"name": "c", "image": "sampan.dev/sample:99", "imagePullPolicy": "Never"}])
    await eventually(lambda: reason_of(node) == "ErrImageNeverPull")


async def test_a_command_that_does_not_exist(node: Node) -> None:
    node.pod(restartPolicy="Never", containers=[{"name": "c", "command": ["/no/such/program"]}])
    await node.ended()
    ended = node.container().state.terminated
    assert (ended.exitCode, ended.reason) == (128, "StartError")
    assert "no such file" in ended.message


async def test_hooks_run_and_the_grace_is_kept(node: Node) -> None:
    mount = [{"name": "work", "mountPath": "/work"}]
    hooks = {
        "postStart": {"exec": {"command": ["sh", "-c", "echo started > /work/hook"]}},
        "preStop": {"exec": {"command": ["sh", "-c", "echo stopping > /proc/1/fd/1; sleep 0.5"]}},
    }
    node.pod(
        terminationGracePeriodSeconds=2,
        volumes=[{"name": "work", "emptyDir": {}}],
        containers=[shell("trap '' TERM; while :; do sleep 0.1; done", lifecycle=hooks, volumeMounts=mount)],
    )
    await node.running()
    folder = node.folder / "kubelet" / "pods" / node.get().metadata.uid / "volumes" / "kubernetes.io~empty-dir"
    assert (folder / "work" / "hook").read_text() == "started\n"
    began = time.monotonic()
    await node.api.delete(type(node.get()), "p", "default")
    await node.gone()
    assert 1.9 < time.monotonic() - began < 5.0


async def test_probes_make_ready_and_restart(node: Node) -> None:
    ready = {"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1}
    live = {"exec": {"command": ["test", "!", "-e", "/tmp/dead"]}, "periodSeconds": 1, "failureThreshold": 1}
    script = "sleep 1; touch /tmp/ready; sleep 3; touch /tmp/dead; exec sleep 1000"
    node.pod(
        terminationGracePeriodSeconds=1,
        containers=[shell(script, readinessProbe=ready, livenessProbe=live)],
    )
    await eventually(lambda: node.phase() == "Running")
    assert not node.container().ready
    await node.running()
    await eventually(lambda: node.container().restartCount == 1)
    assert any(event.startswith("Unhealthy: Liveness probe failed") for event in node.events())
    assert "Killing: Container c failed liveness probe, will be restarted" in node.events()


async def test_http_and_tcp_probes_reach_the_pod(node: Node) -> None:
    node.pod(
        containers=[
            {
                "name": "c",
                "ports": [{"name": "web", "containerPort": 8080}],
                "startupProbe": {"tcpSocket": {"port": "web"}, "periodSeconds": 1},
                "readinessProbe": {"httpGet": {"port": 8080, "path": "/"}, "periodSeconds": 1},
            }
        ]
    )
    status = await node.running()
    async with aiohttp.ClientSession() as session, session.get(f"http://{status.podIP}:8080/") as answer:
        assert await answer.text() == "Hello from p, sample version 1\n"


async def test_following_a_log_ends_with_the_container(node: Node) -> None:
    node.pod(restartPolicy="Never", containers=[shell("for i in 1 2 3; do echo $i; sleep 0.3; done")])
    await eventually(lambda: node.phase() == "Running")
    assert await node.log(follow="true") == "1\n2\n3\n"
    assert await node.log(tailLines="1") == "3\n"
    assert await node.log(limitBytes="3") == "1\n2"
    assert (await node.log(timestamps="true")).splitlines()[0].endswith("Z 1")


async def test_the_host_network_and_names(node: Node) -> None:
    script = "hostname; cat /etc/hosts; cat /etc/resolv.conf"
    node.pod(
        name="web-0",
        restartPolicy="Never",
        hostname="web",
        subdomain="sites",
        hostAliases=[{"ip": "192.0.2.7", "hostnames": ["far.example"]}],
        containers=[shell(script)],
    )
    await node.ended("web-0")
    text = await node.log("web-0")
    assert text.startswith("web\n# Kubernetes-managed hosts file.\n")
    assert "\tweb.sites.default.svc.cluster.local\tweb\n" in text
    assert "192.0.2.7\tfar.example\n" in text
    assert "nameserver 10.96.0.10\n" in text
    assert "search default.svc.cluster.local svc.cluster.local cluster.local" in text
    assert "options ndots:5" in text

    node.pod(name="host", restartPolicy="Never", hostNetwork=True, containers=[shell("ip -o link")])
    status = await node.ended("host")
    assert node.machine.bridge in await node.log("host")
    assert status.podIP is None or status.podIP == f"{node.machine.subnet}.1"


async def test_host_ports_are_passed_on(node: Node) -> None:
    """The CNI configuration of these tests has no portmap plugin; what is checked is what the runtime was asked."""
    node.pod(containers=[{"name": "c", "ports": [{"containerPort": 8080, "hostPort": 18080}]}])
    await node.running()
