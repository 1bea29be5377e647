"""What pods may have of a node, and what is kept for the machine's own daemons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.reservations import allocatable, for_pods

from .harness import node

WHOLE = {"cpu": "4", "memory": "8Gi", "ephemeral-storage": "100Gi", "pods": "110"}


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({}, {"cpu": "4", "memory": "8092Mi", "ephemeral-storage": "90Gi", "pods": "110"}),
        ({"eviction_hard": {}}, {"memory": "8Gi", "ephemeral-storage": "100Gi"}),
        (
            {"kube_reserved": {"cpu": "500m", "memory": "1Gi"}, "system_reserved": {"cpu": "250m"}},
            {"cpu": "3250m", "memory": "7068Mi"},
        ),
        ({"kube_reserved": {"cpu": "9"}, "eviction_hard": {"memory.available": "50%"}}, {"cpu": "0", "memory": "4Gi"}),
    ],
)
def test_what_the_scheduler_may_give_away(given: dict[str, Any], left: dict[str, str]) -> None:
    config = KubeletConfig(node_name="n", node_ips=("192.0.2.1",), root=Path("/r"), **given)
    found = allocatable(config, WHOLE)
    assert {name: found[name] for name in left} == left


def test_huge_pages_are_no_memory() -> None:
    config = KubeletConfig(node_name="n", node_ips=("192.0.2.1",), root=Path("/r"), eviction_hard={})
    assert allocatable(config, {"memory": "8Gi", "hugepages-2Mi": "2Gi"})["memory"] == "6Gi"
    assert str(for_pods(config, {"cpu": "2"}, 500)["pid"]) == "500"


ENFORCED = {
    "enforce_node_allocatable": ("pods", "system-reserved"),
    "system_reserved": {"memory": "1Gi", "cpu": "1"},
    "system_reserved_cgroup": "/system.slice",
}


async def test_the_machines_daemons_are_held_to_theirs(tmp_path: Path) -> None:
    for controller, name in (("memory", "limit_in_bytes"), ("cpu", "shares")):
        for cgroup in ("system.slice", "kubepods"):
            (tmp_path / "cgroup" / controller / cgroup).mkdir(parents=True)
            (tmp_path / "cgroup" / controller / cgroup / f"{controller}.{name}").write_text("0")
    async with node(tmp_path, **ENFORCED):
        limit = tmp_path / "cgroup" / "memory"
        assert (limit / "system.slice" / "memory.limit_in_bytes").read_text() == str(1 << 30)
        assert (limit / "kubepods" / "memory.limit_in_bytes").read_text() == str(7 << 30)
        assert (tmp_path / "cgroup" / "cpu" / "system.slice" / "cpu.shares").read_text() == "1024"


async def test_a_cgroup_that_is_not_there(tmp_path: Path) -> None:
    async with node(tmp_path, **ENFORCED) as n:
        n.pod()
        await n.advance(2)
        assert any("FailedNodeAllocatableEnforcement" in event and "system.slice" in event for event in n.events())
        assert n.status().phase == "Running", "the node goes on"
