"""`sampan.testing.cluster` in its three homes, and `sampan nodes simulate` against one of them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sampan.api.kinds import core_v1
from sampan.client.errors import Unreachable
from sampan.testing import Cluster, cluster
from sampan.testing.local.setup import BadSetup


@pytest.fixture(scope="module")
def running() -> Iterator[Cluster]:
    with cluster(nodes=2, process=True, users={"alice": ("dev",)}) as made:
        yield made


def test_whoever_leaves_the_cluster_to_a_child_loads_no_server() -> None:
    """What a test waits for before the child even begins."""
    script = "import sys; from sampan.testing import cluster; import sampan.testing.local.child; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    heavy = ("sampan.api.kinds", "sampan.apiserver", "sampan.controllers", "sampan.scheduler", "aiohttp", "numpy")
    assert not set(heavy) & set(loaded)


def test_it_runs_pods_and_serves_its_users(running: Cluster) -> None:
    running.kubectl("create", "deployment", "web", "--image=x", "--replicas=4")
    running.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    who = running.kubectl("auth", "whoami", "-o", "json", user="alice")
    assert json.loads(who.stdout)["status"]["userInfo"]["groups"] == ["dev", "system:authenticated"]
    with pytest.raises(BadSetup, match=r"cluster\(users="):
        running.kubeconfig_of("bob")


def pinned(running: Cluster, name: str, node: str) -> None:
    running.kubectl("run", name, "--image=x", "--overrides", json.dumps({"spec": {"nodeName": node}}))


def test_a_killed_node_runs_nothing_until_it_is_revived(running: Cluster) -> None:
    running.kill_node("node-1")
    pinned(running, "late", "node-1")
    pinned(running, "prompt", "node-0")
    running.kubectl("wait", "pod/prompt", "--for=condition=Ready", "--timeout=60s")
    late = json.loads(running.kubectl("get", "pod", "late", "-o", "json").stdout)
    assert late["status"]["phase"] == "Pending"
    running.revive_node("node-1")
    running.kubectl("wait", "pod/late", "--for=condition=Ready", "--timeout=60s")
    with pytest.raises(BadSetup, match="no simulated node"):
        running.kill_node("node-7")


def test_controllers_may_do_what_they_do_under_their_own_name() -> None:
    """LoadBalancers and ServiceCIDRs, whose rules upstream gives to other identities."""
    name = "system:kube-controller-manager"
    wanted = ("patch services --subresource=status", "patch servicecidrs", "watch ipaddresses", "watch endpointslices")
    with cluster(controllers=False, scheduler=False, users={name: ()}) as made:
        for what in wanted:
            assert made.kubectl("auth", "can-i", *what.split(), user=name, check=False).stdout.strip() == "yes", what


def test_it_is_gone_at_the_end_whatever_happened() -> None:
    with pytest.raises(LookupError), cluster(controllers=False, scheduler=False) as made:
        folder = made.folder
        raise LookupError
    assert not folder.exists()
    assert "sampan cluster" not in {thread.name for thread in threading.enumerate()}


async def test_in_the_running_loop() -> None:
    async with cluster(nodes=1) as made, made.client() as client:
        assert (await client.get(core_v1.Node, "node-0")).metadata.name == "node-0"
    async with made.client() as client:
        with pytest.raises(Unreachable):
            await client.list(core_v1.Node)


@pytest.mark.parametrize("process", [False, True])
def test_what_cannot_start_says_why(process: bool) -> None:
    with pytest.raises(ValueError, match="is no store"), cluster(store="paper", process=process):
        pass


@pytest.mark.parametrize("options", [{"nodes": -1}, {"users": {"../x": ()}}, {"users": {"admin": ()}}])
def test_options_that_cannot_be_meant_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadSetup):
        cluster(**options)


def simulating(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sampan", "nodes", "simulate", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_nodes_join_and_leave_a_running_cluster(running: Cluster) -> None:
    zones = ("--zones", "a,b", "--prefix", "more-", "--taint", "own=yes:NoSchedule")
    process = simulating("3", "--kubeconfig", str(running.kubeconfig), *zones)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("nodes 3/3")
    nodes = json.loads(running.kubectl("get", "nodes", "-l", "topology.kubernetes.io/zone", "-o", "json").stdout)[
        "items"
    ]
    zone = "topology.kubernetes.io/zone"
    assert [node["metadata"]["labels"][zone] for node in nodes] == ["a", "b", "a"]
    pinned(running, "there", "more-2")
    running.kubectl("wait", "pod/there", "--for=condition=Ready", "--timeout=30s")
    process.send_signal(signal.SIGTERM)
    said = process.stderr.read()
    assert process.wait(30) == 0
    assert "the 3 nodes are removed" in said
    process.stderr.close()
    assert "more-" not in running.kubectl("get", "nodes").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("3", "--kubeconfig", "/nowhere"), "name one with --kubeconfig"),
        (("0",), "COUNT"),
        (("1", "--taint", "x", "--kubeconfig", "HERE"), "key=value:NoSchedule"),
    ],
)
def test_the_command_says_what_is_wrong(running: Cluster, arguments: tuple[str, ...], said: str) -> None:
    given = [str(running.kubeconfig) if one == "HERE" else one for one in arguments]
    _, error = simulating(*given).communicate(timeout=60)
    assert said in error


def test_a_server_that_is_not_there_is_told_of_at_once(running: Cluster, tmp_path: Path) -> None:
    text = running.kubeconfig.read_text().replace(running.url, "https://127.0.0.1:1")
    (tmp_path / "config").write_text(text)
    process = simulating("1", "--kubeconfig", str(tmp_path / "config"))
    _, error = process.communicate(timeout=60)
    assert "does not let us see its nodes" in error
    assert process.returncode == 1
