"""Quality of service, cgroups and security contexts in the runtime's words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from sampan.api.kinds import core_v1
from sampan.cri.messages import pb
from sampan.kubelet.cgroup.names import cgroup_parent, tier
from sampan.kubelet.cgroup.removal import remove_tree
from sampan.kubelet.qos import oom_score, qos_class
from sampan.kubelet.resources import SWAP_V1, SWAP_V2, Swap, container_resources

GIB = 1 << 30
IMAGE = pb.Image(id="sha256:i")


def pod(*containers: dict[str, Any], **spec: Any) -> Any:
    named = [{"name": f"c{index}", **container} for index, container in enumerate(containers or ({},))]
    body = {"metadata": {"name": "p", "uid": "a-b"}, "spec": {"containers": named, **spec}}
    return msgspec.convert(body, core_v1.Pod)


def limits(requests: dict[str, str] | None = None, **limits: str) -> dict[str, Any]:
    return {"resources": {"limits": limits, "requests": requests or {}}}


@pytest.mark.parametrize(
    ("containers", "quality"),
    [
        ([{}], "BestEffort"),
        ([limits({"ephemeral-storage": "1Gi"})], "BestEffort"),
        ([limits({"cpu": "1"})], "Burstable"),
        ([limits(cpu="1")], "Burstable"),
        ([limits(cpu="1", memory="1Gi")], "Guaranteed"),
        ([limits({"cpu": "1000m", "memory": "1024Mi"}, cpu="1", memory="1Gi")], "Guaranteed"),
        ([limits({"cpu": "500m"}, cpu="1", memory="1Gi")], "Burstable"),
        ([limits(cpu="1", memory="1Gi"), {}], "Burstable"),
        ([limits(cpu="0", memory="0")], "BestEffort"),
    ],
)
def test_classes(containers: list[dict[str, Any]], quality: str) -> None:
    assert qos_class(pod(*containers)) == quality


@pytest.mark.parametrize(
    ("container", "score"),
    [
        ({}, 1000),
        (limits(cpu="1", memory="1Gi"), -997),
        (limits({"memory": "4Gi"}), 500),
        (limits({"memory": "1Ki"}), 999),
        (limits({"memory": "8Gi"}), 3),
        (limits({"cpu": "1"}), 999),
    ],
)
def test_oom_scores(container: dict[str, Any], score: int) -> None:
    made = pod(container)
    assert oom_score(made, made.spec.containers[0], 8 * GIB) == score


def test_limits_in_the_runtimes_words() -> None:
    made = pod(limits({"cpu": "250m", "memory": "1Gi"}, **{"cpu": "1500m", "memory": "2Gi", "hugepages-2Mi": "4Mi"}))
    found = container_resources(made, made.spec.containers[0], 8 * GIB)
    assert (found.cpu_shares, found.cpu_quota, found.cpu_period) == (256, 150_000, 100_000)
    assert found.memory_limit_in_bytes == 2 * GIB
    assert [(page.page_size, page.limit) for page in found.hugepage_limits] == [("2MB", 4 << 20)]
    nothing = container_resources(pod(), pod().spec.containers[0], 8 * GIB)
    assert (nothing.cpu_shares, nothing.cpu_quota, nothing.memory_limit_in_bytes) == (2, 0, 0)


BURSTABLE = limits({"memory": "2Gi"}, memory="4Gi")


@pytest.mark.parametrize(
    ("container", "spec", "swap", "unified"),
    [
        (BURSTABLE, {}, Swap(SWAP_V2, 4 * GIB), {SWAP_V2: str(1 * GIB)}),
        (BURSTABLE, {}, Swap(SWAP_V2), {SWAP_V2: "0"}),
        (BURSTABLE, {}, Swap("", 4 * GIB), {}),
        (BURSTABLE, {"priority": 2_000_000_000}, Swap(SWAP_V2, 4 * GIB), {SWAP_V2: "0"}),
        (limits({"memory": "2Gi"}, memory="2Gi"), {}, Swap(SWAP_V2, 4 * GIB), {SWAP_V2: "0"}),
        (limits(memory="2Gi", cpu="1"), {}, Swap(SWAP_V2, 4 * GIB), {SWAP_V2: "0"}),
        ({}, {}, Swap(SWAP_V2, 4 * GIB), {SWAP_V2: "0"}),
    ],
    ids=["its part", "NoSwap", "a kernel without", "critical", "all it may have", "Guaranteed", "BestEffort"],
)
def test_swap(container: dict[str, Any], spec: dict[str, Any], swap: Swap, unified: dict[str, str]) -> None:
    """LimitedSwap: 2 GiB of 8 are a quarter, and so of the swap (KEP-2400)."""
    made = pod(container)
    made.spec.priority = spec.get("priority")
    assert container_resources(made, made.spec.containers[0], 8 * GIB, swap=swap).unified == unified


def test_swap_of_cgroup_v1_is_none() -> None:
    made = pod(BURSTABLE)
    found = container_resources(made, made.spec.containers[0], 8 * GIB, swap=Swap(SWAP_V1, 4 * GIB))
    assert (found.memory_swap_limit_in_bytes, dict(found.unified)) == (4 * GIB, {})


@pytest.mark.parametrize(
    ("container", "driver", "parent"),
    [
        ({}, "cgroupfs", "/kubepods/besteffort/poda-b"),
        (limits(cpu="1"), "cgroupfs", "/kubepods/burstable/poda-b"),
        (limits(cpu="1", memory="1Gi"), "cgroupfs", "/kubepods/poda-b"),
        ({}, "systemd", "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-poda_b.slice"),
        (limits(cpu="1", memory="1Gi"), "systemd", "/kubepods.slice/kubepods-poda_b.slice"),
    ],
)
def test_cgroup_names(container: dict[str, Any], driver: str, parent: str) -> None:
    assert cgroup_parent(pod(container), driver=driver) == parent


def test_a_root_with_a_dash() -> None:
    assert tier("Burstable", driver="systemd", root="kubepods-n1") == (
        "/kubepods.slice/kubepods-n1.slice/kubepods-n1-burstable.slice"
    )
    assert tier("Burstable", driver="cgroupfs", root="kubepods-n1") == "/kubepods-n1/burstable"


def test_removing_a_pods_cgroup(tmp_path: Path) -> None:
    for hierarchy in ("cpu", "memory"):
        (tmp_path / hierarchy / "kubepods" / "besteffort" / "poda" / "container").mkdir(parents=True)
    remove_tree(tmp_path, "/kubepods/besteffort/poda")
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if "besteffort" in path.name) == [
        "cpu/kubepods/besteffort",
        "memory/kubepods/besteffort",
    ]
    assert not list(tmp_path.rglob("poda"))
