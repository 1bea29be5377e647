"""A node under systemd and cgroup v2 that is changed while it runs and that runs short: told by the kernel itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..cluster.harness import until
from ..cluster.manifests import script
from ..patience import FACTOR
from .machine import Debian, files, output, slice_of

MIB = 1 << 20
SETTINGS = Path("/etc/sampan-pressure.yaml")
CONFIG = """
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
systemReserved: {memory: 256Mi, cpu: 100m}
evictionHard: {memory.available: 1Gi}
evictionPressureTransitionPeriod: 2m
"""
HUGE_PAGES = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
LIMITS = {"cpu": "100m", "memory": "64Mi", "hugepages-2Mi": "8Mi"}
SHORT = "[ $(awk '/^MemAvailable/ {print $2}' /proc/meminfo) -lt 800000 ]"
# Not head, which in busybox takes byte after byte: half an hour on an emulated processor.
HOG = f"until {SHORT}; do dd if=/dev/zero bs=1M count=64 >> /hog/all; done; sleep 100000"
TAINT = "node.kubernetes.io/memory-pressure"


@pytest.fixture(scope="module")
def cluster(debian: Debian) -> Iterator[Debian]:
    HUGE_PAGES.write_text("8")
    SETTINGS.write_text(CONFIG)
    debian.up("--no-sample", "--kubelet-config", str(SETTINGS))
    debian.apply(script("calm", "sleep 100000", container={"resources": {"limits": LIMITS}}))
    debian.kubectl("wait", "--for=condition=Ready", "pod/calm", f"--timeout={170 * FACTOR:.0f}s")
    yield debian
    HUGE_PAGES.write_text("0")


def test_all_pods_are_held_to_what_is_not_reserved(cluster: Debian) -> None:
    (node,) = cluster.get("nodes")["items"]
    folder = Path("/sys/fs/cgroup/kubepods.slice")
    whole = int(node["status"]["capacity"]["memory"].removesuffix("Ki")) * 1024
    held = {"memory.max": str(whole - 256 * MIB), "hugetlb.2MB.max": str(16 * MIB)}
    assert files(folder, *held) == held
    given = node["status"]["allocatable"]
    assert (given["memory"], given["hugepages-2Mi"]) == (f"{(whole - (256 + 1024 + 16) * MIB) // 1024}Ki", "16Mi")
    assert files(folder / "kubepods-besteffort.slice", "cpu.weight") == {"cpu.weight": "1"}


def test_a_resize_goes_through_systemd(cluster: Debian) -> None:
    """What systemd knows outlives its reload, and so do the huge pages, which it does not know."""
    path = "/api/v1/namespaces/default/pods/calm"
    pod = cluster.get("pod", "calm")
    resources = {"limits": {**LIMITS, "cpu": "200m", "memory": "96Mi"}}
    pod["spec"]["containers"][0]["resources"] = {**resources, "requests": resources["limits"]}
    cluster.kubectl("replace", "--raw", f"{path}/resize", "-f", "-", stdin=json.dumps(pod))
    folder = slice_of(pod["metadata"]["uid"])
    (before,) = pod["status"]["containerStatuses"]
    scope = folder / f"cri-containerd-{before['containerID'].partition('//')[2]}.scope"
    held = {"memory.max": str(96 * MIB), "cpu.max": "20000 100000"}
    until(lambda: files(folder, *held) == held and files(scope, *held) == held, "the slice and the scope are larger")
    output("systemctl", "daemon-reload")
    for unit in (folder, scope):
        assert output("systemctl", "show", "-p", "MemoryMax", unit.name).strip() == f"MemoryMax={96 * MIB}"
        assert files(unit, *held) == held
    assert files(folder, "hugetlb.2MB.max") == {"hugetlb.2MB.max": str(8 * MIB)}

    def look() -> bool:
        (after,) = cluster.get("pod", "calm")["status"]["containerStatuses"]
        assert (after["containerID"], after["restartCount"]) == (before["containerID"], 0)
        return bool(after["resources"]["limits"]["memory"] == "96Mi")

    until(look, "the status says so, and it is the same container")


def test_a_pod_that_eats_the_nodes_memory_goes(cluster: Debian) -> None:
    volume = {"volumes": [{"name": "hog", "emptyDir": {"medium": "Memory"}}]}
    mounts = {"volumeMounts": [{"name": "hog", "mountPath": "/hog"}]}
    cluster.apply(script("hog", HOG, container=mounts, **volume))

    def pressure() -> tuple[str, bool]:
        (node,) = cluster.get("nodes")["items"]
        status = {c["type"]: c["status"] for c in node["status"]["conditions"]}["MemoryPressure"]
        return status, (TAINT, "NoSchedule") in {(t["key"], t["effect"]) for t in node["spec"].get("taints", ())}

    until(lambda: pressure() == ("True", True), "the node shows that it is short", 180)
    ended = until(lambda: evicted(cluster, "hog"), "the pod is evicted")
    assert ended["message"].startswith("The node was low on resource: memory. Threshold quantity: 1Gi, available: ")
    until(lambda: pressure() == ("False", False), "the node has enough again")
    calm = cluster.get("pod", "calm")["status"]
    assert (calm["phase"], calm["containerStatuses"][0]["restartCount"]) == ("Running", 0)


def evicted(cluster: Debian, name: str) -> dict[str, Any] | None:
    status: dict[str, Any] = cluster.get("pod", name)["status"]
    return status if (status["phase"], status.get("reason")) == ("Failed", "Evicted") else None


def test_a_machine_out_of_memory_is_told_of(cluster: Debian) -> None:
    """Asked for by SysRq, the kernel kills as if it were: what asked for nothing goes first, all of it at once."""
    cluster.apply(script("first", "sleep 100000 & sleep 200000"))
    cluster.kubectl("wait", "--for=condition=Ready", "pod/first", f"--timeout={170 * FACTOR:.0f}s")
    Path("/proc/sysrq-trigger").write_text("f")

    def look() -> dict[str, Any] | None:
        (status,) = cluster.get("pod", "first")["status"]["containerStatuses"]
        ended: dict[str, Any] | None = status["state"].get("terminated")
        return ended

    ended = until(look, "the container is killed")
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    told = until(lambda: events(cluster, "SystemOOM"), "the node tells of it")
    assert re.fullmatch(r"System OOM encountered, victim process: (sh|sleep), pid: \d+", told[0])
    assert "sleep 200000" not in output("pgrep", "-af", "sleep")


def events(cluster: Debian, reason: str) -> list[str]:
    return [entry["message"] for entry in cluster.get("events")["items"] if entry["reason"] == reason]
