"""Resizing pods in place: what fits, what is set and in which order, what is told, what a new kubelet knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from sampan.api.kinds import core_v1
from sampan.kubelet.resize.allocation import FILE
from sampan.kubelet.resize.decide import judged

from .harness import Node, node

MIB = 1 << 20


def small(**limits: str) -> dict[str, Any]:
    return {
        "containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "64Mi", **limits}}}]
    }


def ask(n: Node, name: str = "p", **amounts: dict[str, str]) -> None:
    """As the resize subresource changes a pod's spec."""

    def change(pod: Any) -> None:
        pod.spec.containers[0].resources = msgspec.convert(amounts, core_v1.ResourceRequirements)

    n.api.change(core_v1.Pod, name, "default", change)


def told(n: Node, name: str = "p") -> dict[str, str]:
    return {c.type: f"{c.reason}: {c.message}" for c in n.status(name).conditions if "Resize" in c.type}


def updates(n: Node) -> list[Any]:
    return [resources for _, resources in n.runtime.updates]


async def test_a_resize_that_fits(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod(**small())
        await n.advance(1)
        shown = n.container().resources
        assert (shown.requests, shown.limits) == ({"cpu": "1"}, {"memory": "64Mi"})
        ask(n, requests={"cpu": "2"}, limits={"memory": "128Mi"})
        await n.advance(1)
        assert [(u.cpu_shares, u.memory_limit_in_bytes) for u in updates(n)] == [(2048, 128 * MIB)]
        assert n.container().resources.requests == {"cpu": "2"}
        assert n.container().allocatedResources == {"cpu": "2"}
        assert n.container().restartCount == 0
        assert told(n) == {}
        assert any(event.startswith("ResizeCompleted") for event in n.events())


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ("9", "Infeasible: Node didn't have enough capacity: cpu, requested: 9000, capacity: 4000"),
        ("3500m", "Deferred: Node didn't have enough resource: cpu, requested: 3500, used: 1000, capacity: 4000"),
    ],
)
async def test_a_resize_that_does_not_fit(tmp_path: Path, wanted: str, reason: str) -> None:
    async with node(tmp_path) as n:
        n.pod(**small())
        n.pod("other", **small())
        await n.advance(1)
        ask(n, requests={"cpu": wanted}, limits={"memory": "64Mi"})
        await n.advance(1)
        assert told(n) == {"PodResizePending": reason}
        assert n.container().resources.requests == {"cpu": "1"}
        await n.delete("other", grace=0)
        await n.advance(1)
        if reason.startswith("Deferred"):
            assert n.container().resources.requests == {"cpu": "3500m"}, "as soon as there is room"
            assert told(n) == {}
        else:
            ask(n, requests={"cpu": "1"}, limits={"memory": "64Mi"})
            await n.advance(1)
            assert told(n) == {}, "given up"


async def test_the_runtime_refuses(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod(**small())
        await n.advance(1)
        n.runtime.fail("update_resources", "cgroup is busy")
        ask(n, requests={"cpu": "2"}, limits={"memory": "64Mi"})
        await n.advance(0.5)
        assert told(n) == {"PodResizeInProgress": "Error: cgroup is busy"}
        assert n.container().resources.requests == {"cpu": "1"}
        await n.advance(2)
        assert told(n) == {}
        assert n.container().resources.requests == {"cpu": "2"}


async def test_a_limit_below_what_is_in_use(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod(**small())
        await n.advance(1)
        cgroups = n.kubelet.resources.upkeep.cgroups
        used = cgroups.tree.folder("memory", cgroups.container(n.get(), n.container().containerID.partition("://")[2]))
        write(used, 50 * MIB)
        ask(n, requests={"cpu": "1"}, limits={"memory": "32Mi"})
        await n.advance(1)
        text = f"attempting to set pod memory limit ({32 * MIB}) below current usage ({50 * MIB})"
        assert told(n) == {"PodResizeInProgress": f"Error: {text}"}
        write(used, 20 * MIB)
        await n.advance(9)
        assert n.container().resources.limits == {"memory": "32Mi"}


def write(folder: Path, used: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.usage_in_bytes").write_text(str(used))


@pytest.mark.parametrize("damage", [False, True])
async def test_a_new_kubelet_keeps_what_was_given(tmp_path: Path, damage: bool) -> None:
    async with node(tmp_path) as n:
        n.pod(**small())
        n.pod("other", **small())
        await n.advance(1)
        ask(n, requests={"cpu": "2"}, limits={"memory": "64Mi"})
        await n.advance(1)
        ask(n, requests={"cpu": "3500m"}, limits={"memory": "64Mi"})
        await n.advance(1)
        assert "Deferred" in told(n)["PodResizePending"]
        await n.stop()
        if damage:
            (n.config.root / "pods" / "uid-p" / FILE).write_text("{")
        await n.start()
        await n.advance(1)
        assert len(updates(n)) == (2 if damage else 1), "nothing is done twice"
        assert len(n.runtime.called("create_container")) == 2


async def test_a_restart_for_memory(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        spec = small()
        spec["containers"][0]["resizePolicy"] = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
        n.pod(**spec)
        await n.advance(1)
        ask(n, requests={"cpu": "1"}, limits={"memory": "32Mi"})
        await n.advance(31)
        assert n.container().restartCount == 1
        assert n.container().resources.limits == {"memory": "32Mi"}
        assert n.runtime.config("c").linux.resources.memory_limit_in_bytes == 32 * MIB
        assert updates(n) == []


def test_static_pods_and_exclusive_cpus() -> None:
    static = {
        "metadata": {"name": "p", "annotations": {"kubernetes.io/config.source": "file"}},
        "spec": {"containers": []},
    }
    found = judged(msgspec.convert(static, core_v1.Pod), [], {})
    assert found is not None
    assert found.message == "In-place resize of static-pods is not supported"
    plain = msgspec.convert({"metadata": {"name": "p"}, "spec": {"containers": []}}, core_v1.Pod)
    assert judged(plain, [], {}, exclusive_cpus=True) is not None
