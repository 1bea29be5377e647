"""What pods may use, on real cgroups: made, kept to, measured, and given back."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sampan.aio.mounts import mount, unmount_below
from sampan.api import quantity
from sampan.api.kinds import core_v1
from sampan.kubelet.cgroup.settings import Settings
from sampan.kubelet.cgroup.tree import CgroupTree
from sampan.kubelet.cpus.topology import shown
from sampan.kubelet.stats import cgroupfiles
from sampan.testing.deviceplugin import FakePlugin

from .harness import IMAGE, Machine, Node, eventually, running_node

MIB = 1 << 20


def burn(script: str, **more: object) -> dict[str, object]:
    return {"name": "c", "command": ["sh", "-c", script], **more}


async def ask_server(node: Node, path: str) -> str:
    url = f"http://127.0.0.1:{node.kubelet.server.port}/{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 200
        return await response.text()


async def test_cgroups_of_pods(node: Node) -> None:
    cgroups = node.kubelet.resources.upkeep.cgroups
    limits = {"cpu": "500m", "memory": "64Mi"}
    made = node.pod(containers=[burn("sleep 1000", resources={"limits": limits, "requests": {"cpu": "100m"}})])
    node.pod("q", containers=[burn("sleep 1000", resources={"limits": limits, "requests": limits})])
    await node.running()
    await node.running("q")
    tree, name = cgroups.tree, cgroups.name(made)
    assert "burstable" in name
    assert (node.get().status.qosClass, node.get("q").status.qosClass) == ("Burstable", "Guaranteed")
    memory = cgroupfiles.memory(tree, name)
    assert memory is not None
    assert memory.limit == 64 * MIB
    assert cgroupfiles.most_processes(tree, name) == node.config.pod_pids_limit
    quality = "cpu.weight" if tree.version == 2 else "cpu.shares"
    assert tree.read("cpu", cgroups.tier("BestEffort"), quality) in ("1", "2")
    assert tree.read("cpu", cgroups.tier("Burstable"), quality) == ("102" if tree.version == 1 else "17")
    uses = {use.pod.metadata.name: use for use in await node.kubelet.resources.upkeep.measuring.pods()}
    assert uses["p"].memory is not None
    assert 0 < uses["p"].memory.working_set < 64 * MIB
    assert uses["p"].interfaces[0].name == "eth0"
    assert [container.name for container in uses["q"].containers] == ["c"]
    summary = json.loads(await ask_server(node, "stats/summary"))
    found = {pod["podRef"]["name"]: pod for pod in summary["pods"]}
    assert found["p"]["memory"]["workingSetBytes"] > 0
    assert found["q"]["containers"][0]["rootfs"]["usedBytes"] >= 0
    assert summary["node"]["memory"]["availableBytes"] > 0
    assert 'container_memory_working_set_bytes{container="c",namespace="default",pod="p"}' in await ask_server(
        node, "metrics/resource"
    )
    assert "container_network_receive_bytes_total" in await ask_server(node, "metrics/cadvisor")
    await node.api.delete(type(made), "p", "default", grace_period_seconds=0)
    await node.gone()
    await eventually(lambda: not tree.read("cpu", name, quality))


SLOW = {"limits": {"cpu": "500m", "memory": "64Mi"}}


async def test_a_fork_bomb_and_an_oom_kill_stay_inside(machine: Machine) -> None:
    node = Node(machine)
    node.config = replace(node.config, pod_pids_limit=300)
    await node.start()
    try:
        node.pod("bomb", containers=[burn("f() { f | f & }; f; sleep 1000")])
        turn = "while :; do :; done"
        node.pod("busy", containers=[burn(f"for i in $(seq 150); do ({turn}) & done; {turn}", resources=SLOW)])
        node.pod("calm", containers=[burn("sleep 1000")])
        greedy = burn("tail /dev/zero", resources={"limits": {"memory": "16Mi"}})
        node.pod("greedy", containers=[greedy], restartPolicy="Never")
        await node.running("calm")
        status = await node.ended("greedy")
        ended = status.containerStatuses[0].state.terminated
        assert (ended.reason, ended.exitCode) == ("OOMKilled", 137)
        cgroups = node.kubelet.resources.upkeep.cgroups
        assert cgroupfiles.processes(cgroups.tree, cgroups.name(node.get("bomb"))) <= 300
        assert node.phase("calm") == "Running"
        await node.running("busy")
        busy = cgroups.container(node.get("busy"), node.container(pod="busy").containerID.removeprefix("containerd://"))
        await eventually(lambda: cgroupfiles.processes(cgroups.tree, busy) >= 150, seconds=60)
        # Now each has its turn every quarter of a minute, and then the next, to die as well.
        cgroups.tree.apply(busy, Settings(cpu_quota=1000, cpu_period=100_000))
        await node.api.delete(core_v1.Pod, "busy", "default", grace_period_seconds=1)
        await eventually(lambda: node.get("busy") is None, seconds=40)
        await node.clear()
    finally:
        await node.stop()


async def test_what_is_reserved(machine: Machine) -> None:
    """All pods together are held to the capacity less the reservations, daemons to theirs; overhead is the pod's."""
    node = Node(machine)
    daemons = f"{node.config.cgroup_root}-daemons"
    node.config = replace(
        node.config,
        kube_reserved={"memory": "256Mi", "cpu": "100m", "pid": "1000"},
        kube_reserved_cgroup=daemons,
        system_reserved={"memory": "128Mi"},
        enforce_node_allocatable=("pods", "kube-reserved"),
        eviction_hard={"memory.available": "64Mi"},
    )
    tree = CgroupTree(node.config.cgroup_mount)
    tree.make(daemons)
    await node.start()
    try:
        limits = {"cpu": "500m", "memory": "64Mi"}
        overhead = {"cpu": "250m", "memory": "32Mi"}
        made = node.pod(containers=[burn("sleep 1000", resources={"limits": limits})], overhead=overhead)
        await node.running()
        cgroups, status = node.kubelet.resources.upkeep.cgroups, node.api.peek(core_v1.Node, "n1").status
        whole = quantity.units(status.capacity["memory"])
        assert whole - quantity.units(status.allocatable["memory"]) == (256 + 128 + 64) * MIB
        assert memory_limit(tree, cgroups.tier("")) == whole - (256 + 128) * MIB
        assert memory_limit(tree, daemons) == 256 * MIB
        assert memory_limit(tree, cgroups.name(made)) == (64 + 32) * MIB
        own = cgroups.container(made, node.container().containerID.removeprefix("containerd://"))
        assert memory_limit(tree, own) == 64 * MIB
        await node.clear()
    finally:
        await node.stop()
        tree.remove(daemons)


def memory_limit(tree: CgroupTree, name: str) -> int | None:
    found = cgroupfiles.memory(tree, name)
    return found.limit if found is not None else None


@pytest.fixture
def huge_pages() -> Iterator[int]:
    """Bytes of huge pages of 2 MiB that the machine has while a test runs."""
    file = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
    before = int(file.read_text()) if file.exists() else 0
    with contextlib.suppress(OSError):
        file.write_text(str(before + 4))
    made = int(file.read_text()) if file.exists() else 0
    if made < before + 4:
        pytest.skip("this machine gives no huge pages")
    yield made * 2 * MIB
    file.write_text(str(before))


async def test_huge_pages(machine: Machine, huge_pages: int) -> None:
    """The node counts them, a pod has what it asked for, and one that asks for too many is told."""
    async with running_node(Node(machine)) as node:
        most = {"hugepages-2Mi": "4Mi", "memory": "32Mi", "cpu": "100m"}
        mount = {"name": "h", "mountPath": "/h"}
        script = "grep ' /h hugetlbfs ' /proc/mounts && sleep 1000"
        node.pod(
            containers=[burn(script, resources={"limits": most, "requests": most}, volumeMounts=[mount])],
            volumes=[{"name": "h", "emptyDir": {"medium": "HugePages"}}],
        )
        await node.running()
        await eventually(lambda: node.container().state.running is not None)
        status = node.api.peek(core_v1.Node, "n1").status
        assert quantity.units(status.capacity["hugepages-2Mi"]) == huge_pages
        whole = {**most, "hugepages-2Mi": f"{huge_pages // MIB}Mi"}
        node.pod("late", containers=[burn("sleep 1000", resources={"limits": whole, "requests": whole})])
        assert (await node.ended("late")).reason == "OutOfhugepages-2Mi"


FILES = {"layer": "/f", "hosts": "/etc/hosts", "words": "/dev/termination-log"}
"""What a container may fill: its own layer, and what the node lends it."""


async def test_a_pod_over_its_limit_on_disk(machine: Machine) -> None:
    node = Node(machine)
    node.config = replace(node.config, eviction_check=0.3)
    await node.start()
    try:
        full = "dd if=/dev/zero of=/v/f bs=1M count=9; sleep 1000"
        node.pod(
            containers=[burn(full, volumeMounts=[{"name": "v", "mountPath": "/v"}])],
            volumes=[{"name": "v", "emptyDir": {"sizeLimit": "4Mi"}}],
        )
        limits = {"resources": {"limits": {"ephemeral-storage": "4Mi"}}}
        for name, path in FILES.items():
            node.pod(name, containers=[burn(f"dd if=/dev/zero of={path} bs=1M count=9; sleep 1000", **limits)])
        status = await node.ended()
        assert status.message == 'Usage of EmptyDir volume "v" exceeds the limit "4Mi". '
        for name in FILES:
            await eventually(lambda name=name: node.phase(name) == "Failed", seconds=40)
            assert "exceeds the total limit of containers 4Mi" in node.get(name).status.message
        await node.clear()
    finally:
        await node.stop()


SHORTAGES = {
    "memory.available": ("100000Gi", "memory", "MemoryPressure"),
    "nodefs.available": ("100000Gi", "ephemeral-storage", "DiskPressure"),
    "pid.available": ("100M", "pids", "PIDPressure"),
}
"""Thresholds that no machine meets, what is then said to be short, and what the node shows."""


@pytest.mark.parametrize("signal", SHORTAGES)
async def test_a_node_short_of_everything(machine: Machine, signal: str) -> None:
    """Pods go, the least dear first, when what has ended is not enough; the node tells why."""
    threshold, resource, condition = SHORTAGES[signal]
    node = Node(machine)
    node.config = replace(node.config, eviction_check=0.3)
    await node.start()
    try:
        node.pod("done", containers=[burn("exit 3")], restartPolicy="Never")
        node.pod("cheap", containers=[burn("sleep 1000")])
        node.pod("dear", containers=[burn("sleep 1000")], priority=2_000_000_000)
        await node.running("cheap")
        await node.running("dear")
        await node.ended("done")
        await node.stop()
        node.config = replace(node.config, eviction_hard={signal: threshold})
        await node.start()
        status = await node.ended("cheap")
        assert status.reason == "Evicted"
        assert f"low on resource: {resource}" in status.message
        assert node.phase("dear") == "Running"
        assert is_short(node, condition)
        assert node.container(pod="done").state.terminated.exitCode == 3
        kept = ["dear"] if condition == "DiskPressure" else ["cheap", "dear", "done"]

        async def left() -> bool:
            return sorted(sandbox.metadata.name for sandbox in await node.runtime.list_sandboxes()) == kept

        await eventually(left)
        assert node.container(pod="done").state.terminated.exitCode == 3
        await node.clear()
    finally:
        await node.stop()


@pytest.fixture
def small_disk(machine: Machine) -> Iterator[Node]:
    """A node whose own file system has 64 MiB and 4,000 inodes."""
    node = Node(machine)
    mount("tmpfs", node.folder, "tmpfs", options=f"size={64 * MIB},nr_inodes=4000")
    try:
        yield node
    finally:
        assert unmount_below(node.folder) == []


FILLS = {
    "nodefs.available": ("dd if=/dev/zero of=/v/f bs=1M count={}", ("21", "18"), "32Mi", "16Mi"),
    "nodefs.inodesFree": ("seq {} | sed s,^,/v/, | xargs touch", ("1300", "1100"), "2000", "1000"),
}
"""How a pod fills the disk, what two of them take, the threshold, and how much more is to be free once it was met."""


@pytest.mark.parametrize("signal", FILLS)
async def test_a_soft_threshold(small_disk: Node, signal: str) -> None:
    """It is told at once and acted upon after its grace; pods end in theirs, as far as the node bears it; they go until
    there is more than the threshold; and the node says so a while longer."""
    fill, amounts, threshold, more = FILLS[signal]
    node = small_disk
    node.config = replace(
        node.config,
        eviction_check=0.2,
        eviction_hard={},
        eviction_soft={signal: threshold},
        eviction_soft_grace={signal: 2.0},
        eviction_max_pod_grace=1.0,
        eviction_minimum_reclaim={signal: more},
        eviction_transition=2.0,
    )
    async with running_node(node):
        node.pod("calm", containers=[burn("sleep 1000")])
        volume = {"volumes": [{"name": "v", "emptyDir": {}}], "terminationGracePeriodSeconds": 600}
        for name, amount in zip(("most", "more"), amounts, strict=True):
            script = f"trap '' TERM; {fill.format(amount)}; while :; do sleep 1; done"
            mounts = [{"name": "v", "mountPath": "/v"}]
            node.pod(name, containers=[burn(script, volumeMounts=mounts)], **volume)
        times: dict[str, float] = {}

        async def noted(what: str, holds: Callable[[], Any]) -> None:
            await eventually(holds, seconds=30)
            times[what] = node.clock.monotonic()

        def evicted(count: int) -> bool:
            return sum(event.startswith("Evicted: ") for event in node.events()) >= count

        await noted("pressed", lambda: is_short(node, "DiskPressure"))
        await noted("first", lambda: evicted(1))
        await noted("gone", lambda: node.phase("most") == "Failed")
        await noted("second", lambda: evicted(2))
        await noted("relieved", lambda: not is_short(node, "DiskPressure"))
        assert node.phase("calm") == "Running"
        for name in ("most", "more"):
            assert node.get(name).status.reason == "Evicted"
            assert node.container(pod=name).state.terminated.exitCode == 137
        assert times["first"] - times["pressed"] >= 1.5
        assert 0.8 <= times["gone"] - times["first"] < 20
        assert times["relieved"] - times["second"] >= 1.5


def is_short(node: Node, condition: str) -> bool:
    found = node.api.peek(core_v1.Node, "n1")
    told = found.status.conditions if found is not None and found.status is not None else ()
    return any(c.type == condition and c.status == "True" for c in told)


def ask(node: Node, requests: dict[str, str], limits: dict[str, str], pod_level: dict[str, str] | None = None) -> None:
    """As the resize subresource changes a pod's spec."""

    def change(pod: Any) -> None:
        resources = core_v1.ResourceRequirements
        pod.spec.containers[0].resources = resources(requests=requests, limits=limits)
        if pod_level is not None:
            pod.spec.resources = resources(requests=pod_level, limits=pod_level)

    node.api.change(core_v1.Pod, "p", "default", change)


async def test_resize_in_place(node: Node) -> None:
    """Up and down, containers and the pod around them; nothing is restarted."""
    both = {"cpu": "100m", "memory": "32Mi"}
    made = node.pod(
        containers=[burn("sleep 1000", resources={"limits": both, "requests": both})],
        resources={"limits": both, "requests": both},
    )
    await node.running()
    cgroups = node.kubelet.resources.upkeep.cgroups
    tree, name = cgroups.tree, cgroups.name(made)
    own = cgroups.container(made, node.container().containerID.removeprefix("containerd://"))
    for cpu, memory in (("400m", "96Mi"), ("50m", "24Mi")):
        asked = {"cpu": cpu, "memory": memory}
        ask(node, asked, asked, asked)
        await eventually(
            lambda asked=asked: node.container().resources.limits == asked, about=lambda: node.get().status.conditions
        )
        await eventually(lambda asked=asked: node.get().status.resources.requests == asked)
        for cgroup in (name, own):
            found = cgroupfiles.memory(tree, cgroup)
            assert found is not None
            assert found.limit == quantity.units(memory)
        quota = "cpu.max" if tree.version == 2 else "cpu.cfs_quota_us"
        assert tree.read("cpu", own, quota).split()[0] == str(quantity.milli(cpu) * 100)
    assert node.container().restartCount == 0
    assert not [c for c in node.get().status.conditions if "Resize" in c.type]


async def test_resizes_that_restart_wait_and_cannot_be(node: Node) -> None:
    """A container that wants it is started anew; what others hold is waited for, what the node has not is refused."""
    cpus = len(os.sched_getaffinity(0)) * 1000
    small, more = {"cpu": "100m", "memory": "16Mi"}, {"cpu": "100m", "memory": "32Mi"}
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    fixed = {"resources": {"limits": small, "requests": small}}
    holds = {"resources": {"requests": {"cpu": f"{cpus * 6 // 10}m"}}}
    node.pod("holder", containers=[burn("exec sleep 1000", **holds)], terminationGracePeriodSeconds=0)
    node.pod(containers=[burn("trap 'exit 0' TERM; while :; do sleep 0.1; done", resizePolicy=policy, **fixed)])
    await node.running("holder")
    await node.running()

    def told() -> dict[str, str]:
        return {c.type: c.reason or "" for c in node.get().status.conditions}

    ask(node, more, more)
    await eventually(lambda: node.container().restartCount == 1 and node.container().ready)
    assert node.container().resources.limits == more
    for cpu, reason in ((cpus * 5 // 10, "Deferred"), (cpus * 2, "Infeasible"), (cpus * 5 // 10, "Deferred")):
        wanted = {**more, "cpu": f"{cpu}m"}
        ask(node, wanted, wanted)
        await eventually(lambda reason=reason: told().get("PodResizePending") == reason, about=told)
    assert node.container().resources.limits == more
    await node.api.delete(core_v1.Pod, "holder", "default", grace_period_seconds=0)
    half = cpus * 5 // 10
    await eventually(lambda: quantity.milli(node.container().resources.limits["cpu"]) == half, about=told)
    await eventually(lambda: "PodResizePending" not in told())
    assert node.container().restartCount == 1, "its processors are changed where it runs"


async def test_a_static_pod(machine: Machine) -> None:
    """A file's pod runs and shows; it goes with the file, and leaves no cgroup."""
    node = Node(machine)
    manifests = node.folder / "manifests"
    manifests.mkdir()
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "s"}}
    manifest = {**pod, "spec": {"containers": [burn("sleep 1000", image=IMAGE)], "terminationGracePeriodSeconds": 1}}
    (manifests / "s.json").write_text(json.dumps(manifest))
    node.config = replace(node.config, static_pod_path=manifests)
    await node.start()
    try:
        await node.running("s-n1")
        assert "Hello" not in await node.log("s-n1")
        before = (node.get("s-n1").metadata.uid, node.container(pod="s-n1").containerID)
        node.api.remove(core_v1.Pod, "s-n1", "default")
        await eventually(lambda: node.get("s-n1") is not None)
        await node.running("s-n1")
        assert node.get("s-n1").metadata.uid != before[0], "whoever deletes its mirror gets another"
        assert node.container(pod="s-n1").containerID == before[1]
        cgroups, made = node.kubelet.resources.upkeep.cgroups, node.get("s-n1")
        made.metadata.uid = made.metadata.annotations["kubernetes.io/config.hash"]
        assert cgroups.tree.folder("memory", cgroups.name(made)).is_dir()
        (manifests / "s.json").unlink()
        await node.gone("s-n1")
        await eventually(lambda: not list(node.kubelet.pods.all()))
        assert not cgroups.tree.folder("memory", cgroups.name(made)).exists()
    finally:
        await node.stop()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="the one processor there is is reserved")
async def test_devices_and_processors_of_ones_own(machine: Machine) -> None:
    """A plugin's device reaches a container with what goes with it; whole processors are nobody else's."""
    node = Node(machine)
    node.config = replace(node.config, cpu_manager_policy="static", reserved_cpus="0")
    await node.start()
    try:
        folder = node.config.root / "device-plugins"
        await eventually((folder / "kubelet.sock").exists)
        async with FakePlugin(folder, "example.com/thing", ["a"], mounts=[("/theirs", "/etc")]) as plugin:
            await plugin.register()
            amounts = {"cpu": "1", "memory": "32Mi", "example.com/thing": "1"}
            script = "echo $DEVICES; ls /theirs/hostname; grep Cpus_allowed_list /proc/self/status; sleep 1000"
            node.pod("shares", containers=[burn("sleep 1000")])
            await eventually(lambda: node.kubelet.resources.devices.manager.allocatable() == {"example.com/thing": "1"})
            node.pod(containers=[burn(script, resources={"limits": amounts, "requests": amounts})])
            await node.running()
            await node.running("shares")
            own = node.kubelet.resources.cpus.manager.exclusive(node.get().metadata.uid, "c")
            assert len(own) == 1
            lines = (await node.log()).split("\n")
            assert lines[:2] == ["a", "/theirs/hostname"]
            assert lines[2].split()[1] == str(*own)
            cgroups, other = node.kubelet.resources.upkeep.cgroups, node.get("shares")
            name = cgroups.container(other, node.container(pod="shares").containerID.removeprefix("containerd://"))
            rest = shown(node.kubelet.resources.cpus.manager.shared())
            await eventually(lambda: cgroups.tree.read("cpuset", name, "cpuset.cpus") == rest)
            await eventually(lambda: "example.com/thing" in node.api.peek(core_v1.Node, "n1").status.capacity)
        await node.clear()
    finally:
        await node.stop()
