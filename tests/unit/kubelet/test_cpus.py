"""The CPU manager: which processors, who is kept off them, what is refused, what a new kubelet knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sampan.kubelet.cpus.assign import NotEnough, assigned
from sampan.kubelet.cpus.hints import Hint, admitted, hints, merged
from sampan.kubelet.cpus.state import FILE
from sampan.kubelet.cpus.topology import Cpu, parse, read, shown

from .harness import Node, node

# Two sockets, each a NUMA node of two cores with two threads: 0-3 and 4-7.
MACHINE = {cpu: Cpu(cpu // 4, cpu // 4, cpu // 2, cpu) for cpu in range(8)}


@pytest.mark.parametrize(
    ("free", "count", "cpus"),
    [
        ("0-7", 4, "0-3"),
        ("1-7", 4, "4-7"),
        ("0-7", 2, "0-1"),
        ("1-7", 2, "2-3"),
        ("1-7", 1, "1"),
        ("0,2-7", 3, "0,2-3"),
        ("0-7", 6, "0-5"),
        ("0-7", 8, "0-7"),
        ("3,4-7", 5, "3-7"),
    ],
)
def test_packing(free: str, count: int, cpus: str) -> None:
    assert shown(assigned(MACHINE, parse(free), count)) == cpus


def test_packing_near_a_node() -> None:
    assert shown(assigned(MACHINE, parse("0-7"), 2, frozenset({1}))) == "4-5"
    assert shown(assigned(MACHINE, parse("0-3,7"), 2, frozenset({1}))) == "0,7", "the rest from elsewhere"
    with pytest.raises(NotEnough, match="requested=3, available=2"):
        assigned(MACHINE, parse("0-1"), 3)


def test_lists_of_processors() -> None:
    assert shown(parse("0-2,5,7-8")) == "0-2,5,7-8"
    assert parse("") == frozenset()
    with pytest.raises(ValueError, match="no range"):
        parse("5-2")


def test_the_machine_is_read(tmp_path: Path) -> None:
    (tmp_path / "node/node1").mkdir(parents=True)
    (tmp_path / "node/node1/cpulist").write_text("1")
    (tmp_path / "cpu/cpu1/topology").mkdir(parents=True)
    (tmp_path / "cpu/cpu1/topology/physical_package_id").write_text("2")
    (tmp_path / "cpu/cpu1/topology/core_id").write_text("5")
    assert read([0, 1], tmp_path) == {0: Cpu(0, 0, 0, 0), 1: Cpu(2, 1, 5, 1)}


def test_hints() -> None:
    cpus = hints(3, {0: 1, 1: 4}, {0: 4, 1: 4})
    assert cpus == [Hint(frozenset({1}), True), Hint(frozenset({0, 1}), False)]
    near, far = [Hint(frozenset({1}), True)], [Hint(frozenset({0}), True)]
    assert merged([cpus, near], [0, 1]) == Hint(frozenset({1}), True)
    found = merged([cpus, far], [0, 1])
    assert found == Hint(frozenset({0}), False)
    assert [admitted(policy, found) for policy in ("none", "best-effort", "restricted", "single-numa-node")] == [
        True,
        True,
        False,
        False,
    ]
    assert merged([], [0, 1]) == Hint(frozenset({0, 1}), True)


STATIC = {"cpu_manager_policy": "static", "reserved_cpus": "0"}


def whole(count: int) -> dict[str, Any]:
    amounts = {"cpu": str(count), "memory": "64Mi"}
    return {"containers": [{"name": "c", "resources": {"limits": amounts, "requests": amounts}}]}


def cpuset(n: Node, name: str) -> str:
    """Of the pod's container, as it was made or last moved."""
    made = [k for k, config in n.runtime.configs.items() if k in n.runtime.containers and pod_of(config) == name]
    moved = [resources.cpuset_cpus for known, resources in n.runtime.updates if known == made[-1]]
    return str((moved or [n.runtime.configs[made[-1]].linux.resources.cpuset_cpus])[-1])


def pod_of(config: Any) -> str:
    return str(config.labels["io.kubernetes.pod.name"])


async def test_exclusive_processors(tmp_path: Path) -> None:
    async with node(tmp_path, **STATIC) as n:
        n.pod("shares")
        await n.advance(1)
        assert cpuset(n, "shares") == "0-3"
        n.pod("owns", **whole(2))
        await n.advance(1)
        assert cpuset(n, "owns") == "2-3"
        assert cpuset(n, "shares") == "0-1", "everybody else is moved away at once"
        assert n.runtime.config("c").linux.resources.cpu_quota == 0
        state = json.loads((n.config.root / FILE).read_text())
        assert state == {"policyName": "static", "defaultCpuSet": "0-1", "entries": {"uid-owns": {"c": "2-3"}}}
        n.pod("half", containers=[{"name": "c", "resources": {"limits": {"cpu": "500m", "memory": "1Mi"}}}])
        n.pod("more", **whole(2))
        await n.advance(1)
        assert cpuset(n, "half") == "0-1"
        assert n.status("more").reason == "UnexpectedAdmissionError"
        assert "not enough cpus available to satisfy request: requested=2, available=1" in n.status("more").message
        await n.stop()
        await n.start()
        await n.advance(1)
        assert cpuset(n, "owns") == "2-3", "a new kubelet knows"
        await n.delete("owns", grace=0)
        await n.advance(2)
        assert cpuset(n, "shares") == "0-3"


async def test_options(tmp_path: Path) -> None:
    options = {"full-pcpus-only": "true", "strict-cpu-reservation": "true"}
    async with node(tmp_path, **STATIC, cpu_manager_options=options) as n:
        n.pod("shares")
        n.pod("odd", **whole(1))
        await n.advance(1)
        assert cpuset(n, "shares") == "1-3", "the reserved one is nobody's"
        assert n.status("odd").reason == "SMTAlignmentError"


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"cpu_manager_policy": "static"}, "needs reservedSystemCPUs"),
        ({**STATIC, "cpu_manager_options": {"magic": "true"}}, "knows no magic"),
    ],
)
async def test_configurations_that_will_not_do(tmp_path: Path, config: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        async with node(tmp_path, **config):
            pass


async def test_a_state_of_another_policy(tmp_path: Path) -> None:
    (tmp_path / "kubelet").mkdir()
    (tmp_path / "kubelet" / FILE).write_text(
        '{"policyName": "none", "defaultCpuSet": "", "entries": {"x": {"c": "1"}}}'
    )
    async with node(tmp_path, cpu_manager_policy="static", system_reserved={"cpu": "1"}) as n:
        assert n.kubelet.resources.cpus.manager.exclusive("x", "c") == frozenset()
        n.pod(**whole(2))
        n.runtime.fail("update_resources", "busy")
        await n.advance(12)
        assert cpuset(n, "p") == "2-3"
