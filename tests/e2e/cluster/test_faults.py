"""`kill -9` of every process in turn: back again, nothing acknowledged lost, no container restarted by it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from .harness import Cluster, fetch, is_ready, until
from .manifests import SAMPLE, deployment, service


@pytest.fixture
def web(cluster: Cluster, namespace: str) -> dict[str, Any]:
    cluster.apply(deployment("web", replicas=2), service("web"))
    cluster.ready_pods("app=web", 2)
    found: dict[str, Any] = cluster.get("service", "web")
    return found


def containers(cluster: Cluster) -> dict[str, tuple[str, int]]:
    """container id and restart count of every pod."""
    pods = cluster.get("pods", "-l", "app=web")["items"]
    return {
        p["metadata"]["name"]: (s["containerID"], s["restartCount"])
        for p in pods
        for s in p["status"]["containerStatuses"]
    }


@pytest.mark.parametrize("name", ["apiserver", "controllers", "agent", "supervisor", "guardian", "containerd"])
def test_a_killed_process_comes_back(cluster: Cluster, web: dict[str, Any], name: str) -> None:
    before = containers(cluster)
    written = cluster.kubectl(
        "create", "configmap", "kept", "--from-literal=a=b", "-o", "jsonpath={.metadata.uid}"
    ).stdout
    cluster.kill(name)
    assert "Hello" in until(lambda: fetch(f"http://{web['spec']['clusterIP']}/"), "the Service answers")
    until(lambda: cluster.get("configmap", "kept")["metadata"]["uid"] == written, "the acknowledged write is there")
    cluster.kubectl("scale", "deployment", "web", "--replicas=3")
    pods = cluster.ready_pods("app=web", 3)
    assert all(map(is_ready, pods))
    after = containers(cluster)
    assert {name: after[name] for name in before} == before


def test_pods_start_once_however_often_their_agent_is_killed(cluster: Cluster, namespace: str) -> None:
    """SIGKILL in the midst of starting them."""
    before = [{"name": "i", "image": SAMPLE, "command": ["sleep", "0.5"]}]
    cluster.apply(deployment("many", replicas=6, initContainers=before))
    for _ in range(3):
        cluster.kill("agent")
    pods = cluster.ready_pods("app=many", 6)
    statuses = [s for p in pods for s in (*p["status"]["initContainerStatuses"], *p["status"]["containerStatuses"])]
    assert [status["restartCount"] for status in statuses] == [0] * 12


def test_a_killed_writer_takes_its_server_with_it_and_both_come_back(cluster: Cluster, namespace: str) -> None:
    """The API server's store is written by a process of its own."""
    server = cluster.process("apiserver")
    cluster.kubectl("create", "configmap", "kept")
    (writer,) = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    os.kill(int(writer), signal.SIGKILL)
    until(lambda: cluster.process("apiserver").pid != server.pid, "another server runs")
    until(lambda: cluster.kubectl("create", "configmap", "later"), "it takes writes")
    assert cluster.get("configmap", "kept")["metadata"]["name"] == "kept"


def test_the_node_is_told_not_ready_while_its_runtime_is_away_and_recovers(cluster: Cluster, namespace: str) -> None:
    cluster.kill("containerd")
    until(lambda: node_ready(cluster), "the node is Ready again")


def node_ready(cluster: Cluster) -> bool:
    conditions = cluster.get("nodes")["items"][0]["status"]["conditions"]
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def test_writes_acknowledged_while_the_api_server_is_killed_are_kept(cluster: Cluster, namespace: str) -> None:
    kept: list[str] = []
    for number in range(40):
        done = cluster.kubectl("create", "configmap", f"c{number}", check=False)
        if done.returncode == 0:
            kept.append(f"c{number}")
        if number % 10 == 5:
            cluster.kill("apiserver")
    present = {c["metadata"]["name"] for c in until(lambda: cluster.get("configmaps"), "the API answers")["items"]}
    assert set(kept) <= present and len(kept) >= 20


def test_a_node_whose_agent_hangs_is_marked_and_comes_back(cluster: Cluster, web: dict[str, Any]) -> None:
    before = containers(cluster)
    agent = cluster.process("agent")
    agent.signal(signal.SIGSTOP)
    try:
        until(lambda: not node_ready(cluster), "the node is marked not ready", seconds=90)
        until(lambda: "node.kubernetes.io/unreachable" in taints(cluster), "the taint")
        until(lambda: not any(map(is_ready, cluster.get("pods", "-l", "app=web")["items"])), "its pods are not ready")
    finally:
        agent.signal(signal.SIGCONT)
    until(lambda: node_ready(cluster), "the node is Ready again")
    until(lambda: not taints(cluster), "the taints are gone")
    cluster.ready_pods("app=web", 2)
    assert containers(cluster) == before


def taints(cluster: Cluster) -> set[str]:
    return {taint["key"] for taint in cluster.get("nodes")["items"][0]["spec"].get("taints", [])}
