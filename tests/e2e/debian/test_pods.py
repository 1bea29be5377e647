"""Pods under systemd and cgroup v2: what they are held to, what is told of them, and nothing left of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ..cluster.harness import until
from ..cluster.manifests import SAMPLE
from ..patience import FACTOR
from .machine import Debian, files, leftovers, output, slice_of

MIB = 1 << 20


@pytest.fixture(scope="module")
def cluster(debian: Debian) -> Iterator[Debian]:
    """On a machine that allows no user namespaces, as hardened ones do."""
    Path("/proc/sys/user/max_user_namespaces").write_text("0")
    assert "is Ready" in debian.up()
    yield debian


def pod(name: str, command: str, **resources: dict[str, str]) -> dict[str, Any]:
    container = {"name": "c", "image": SAMPLE, "command": ["sh", "-c", command], "resources": resources}
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def test_this_is_debian_as_it_is_installed() -> None:
    assert Path("/sys/fs/cgroup/cgroup.controllers").exists(), "cgroup v2 alone"
    assert "ID=debian" in Path("/etc/os-release").read_text()
    assert output("systemctl", "is-system-running").strip() in ("running", "starting")


def test_a_pods_slice_holds_it(cluster: Debian) -> None:
    limits = {"cpu": "100m", "memory": "64Mi"}
    cluster.apply(
        pod("bounded", "echo begun; sleep 100000", limits=limits),
        pod("asks", "sleep 100000", requests={"cpu": "100m", "memory": "16Mi"}),
    )
    cluster.kubectl("wait", "--for=condition=Ready", "pod/bounded", "pod/asks", f"--timeout={170 * FACTOR:.0f}s")
    bounded = cluster.get("pod", "bounded")
    folder = slice_of(bounded["metadata"]["uid"])
    held = {"memory.max": str(64 * MIB), "cpu.max": "10000 100000", "pids.max": "4096"}
    assert files(folder, *held) == held
    (container,) = bounded["status"]["containerStatuses"]
    scope = folder / f"cri-containerd-{container['containerID'].partition('//')[2]}.scope"
    inner = {"memory.max": str(64 * MIB), "cpu.max": "10000 100000", "memory.oom.group": "1"}
    assert files(scope, *inner) == inner
    assert f"MemoryMax={64 * MIB}" in output("systemctl", "show", "-p", "MemoryMax", folder.name)
    asks = slice_of(cluster.get("pod", "asks")["metadata"]["uid"])
    assert asks.parent.name == "kubepods-burstable.slice"
    assert files(asks, "memory.max", "cpu.max") == {"memory.max": "max", "cpu.max": "max 100000"}
    assert int((folder.parent / "memory.max").read_text()) > 1000 * MIB, (
        "all pods together are held to what is allocatable"
    )


def test_commands_and_logs(cluster: Debian) -> None:
    assert cluster.inside("bounded", "cat", "/proc/1/cgroup").startswith("0::/")
    assert cluster.kubectl("logs", "bounded").stdout == "begun\n"


def test_a_container_that_eats_its_memory_is_told_of(cluster: Debian) -> None:
    cluster.apply(pod("eater", "tail /dev/zero", limits={"memory": "32Mi"}))

    def look() -> dict[str, Any] | None:
        status = cluster.get("pod", "eater")["status"]
        for container in status.get("containerStatuses", ()):
            if ended := container["state"].get("terminated") or container["lastState"].get("terminated"):
                return dict(ended)
        raise AssertionError(status)

    ended = until(look, "the container is killed")
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    cluster.kubectl("delete", "pod", "eater", "--wait=false")


def test_services_by_address_and_name(cluster: Debian) -> None:
    cluster.answers(f"http://{cluster.cluster_ip('hello')}/")
    cluster.answers(f"http://{cluster.node_ip()}:{cluster.node_port('hello')}/")
    assert "Hello from" in cluster.inside("bounded", "wget", "-qO-", "http://hello.default.svc.cluster.local/")


def test_what_the_node_tells_of_them(cluster: Debian) -> None:
    (node,) = cluster.get("nodes")["items"]
    name = node["metadata"]["name"]

    def look() -> dict[str, Any] | None:
        summary = json.loads(cluster.kubectl("get", "--raw", f"/api/v1/nodes/{name}/proxy/stats/summary").stdout)
        pods = {entry["podRef"]["name"]: entry for entry in summary["pods"]}
        return pods.get("bounded")

    told = until(look, "the pod is in the summary")
    assert 0 < told["memory"]["workingSetBytes"] < 64 * MIB
    assert told["cpu"]["usageCoreNanoSeconds"] > 0 and told["process_stats"]["process_count"] >= 2
    lease = cluster.get("lease", name, "-n", "kube-node-lease")["spec"]["renewTime"]
    assert abs((datetime.now(UTC) - datetime.fromisoformat(lease)).total_seconds()) < 60
    assert {c["type"]: c["status"] for c in node["status"]["conditions"]}["MemoryPressure"] == "False"


def test_down_leaves_nothing(cluster: Debian) -> None:
    cluster.down()

    def look() -> bool:
        assert leftovers() == {}
        return True

    until(look, "nothing is left", 20)
    assert not cluster.data_dir.exists()
