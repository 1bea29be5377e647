"""What is set on cgroups: the values, the kernel's files of both versions, systemd's properties, a tree of files."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sampan.api import quantity
from sampan.api.kinds import core_v1
from sampan.kubelet.cgroup import files, killing, settings, systemd
from sampan.kubelet.cgroup.manager import CgroupError, PodCgroups
from sampan.kubelet.cgroup.settings import UNLIMITED, Settings
from sampan.kubelet.cgroup.tree import CgroupTree
from sampan.kubelet.cgroup.weight import linear_weight, weight
from sampan.kubelet.systembus import BusError

GIB = 1 << 30


def pod(*containers: dict[str, Any], uid: str = "a-b", **spec: Any) -> Any:
    named = [{"name": f"c{index}", **container} for index, container in enumerate(containers or ({},))]
    body = {"metadata": {"name": "p", "uid": uid}, "spec": {"containers": named, **spec}}
    return msgspec.convert(body, core_v1.Pod)


def resources(requests: dict[str, str] | None = None, limits: dict[str, str] | None = None) -> dict[str, Any]:
    return {"resources": {"requests": requests or {}, "limits": limits or {}}}


BOTH = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("shares", "new", "old"),
    [(0, 0, 0), (2, 1, 1), (102, 17, 4), (1024, 100, 39), (2048, 174, 79), (262_144, 10_000, 10_000)],
)
def test_weights(shares: int, new: int, old: int) -> None:
    """The values of the kernel's and upstream's announcements of the conversion."""
    assert (weight(shares), linear_weight(shares)) == (new, old)


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (pod(), Settings(cpu_shares=2, pids=9)),
        (
            pod(resources(BOTH, BOTH), resources({"cpu": "500m", "memory": "1Gi"}, {"cpu": "500m", "memory": "1Gi"})),
            Settings(cpu_shares=1536, cpu_quota=150_000, cpu_period=100_000, memory=2 * GIB, pids=9),
        ),
        (
            # One container without a limit: the pod has none either.
            pod(resources({"cpu": "100m"}, {"cpu": "1", "memory": "1Gi"}), resources({"cpu": "100m"}, {"cpu": "1"})),
            Settings(cpu_shares=204, cpu_quota=200_000, cpu_period=100_000, memory=UNLIMITED, pids=9),
        ),
        (
            # Pod-level resources need nothing of the containers.
            pod({}, {}, **resources({"cpu": "1"}, {"cpu": "2", "memory": "2Gi"})),
            Settings(cpu_shares=1024, cpu_quota=200_000, cpu_period=100_000, memory=2 * GIB, pids=9),
        ),
        (
            pod(resources(BOTH, BOTH), overhead={"cpu": "500m", "memory": "1Gi"}),
            Settings(cpu_shares=1536, cpu_quota=150_000, cpu_period=100_000, memory=2 * GIB, pids=9),
        ),
        (
            pod(resources({"cpu": "1"}), initContainers=[{"name": "i", **resources({"cpu": "3"})}]),
            Settings(cpu_shares=3072, cpu_quota=UNLIMITED, cpu_period=100_000, memory=UNLIMITED, pids=9),
        ),
        (
            pod(resources({"cpu": "1", "hugepages-2Mi": "4Mi"}, {"hugepages-2Mi": "4Mi"})),
            Settings(
                cpu_shares=1024,
                cpu_quota=UNLIMITED,
                cpu_period=100_000,
                memory=UNLIMITED,
                pids=9,
                hugepages={"2MB": 4 << 20},
            ),
        ),
    ],
    ids=["best effort", "guaranteed", "half limited", "pod level", "overhead", "init", "huge pages"],
)
def test_what_a_pod_gets(made: Any, wanted: Settings) -> None:
    assert settings.of_pod(made, pids=9) == wanted


def test_what_is_above_the_pods() -> None:
    pods = [pod(resources({"cpu": "250m"})), pod(resources({"cpu": "750m"})), pod(resources(BOTH, BOTH)), pod()]
    tiers = settings.of_tiers(pods)
    assert (tiers["Burstable"].cpu_shares, tiers["BestEffort"].cpu_shares) == (1024, 2)
    available = {name: quantity.parse(text) for name, text in (("cpu", "3500m"), ("memory", "7Gi"), ("pid", "900"))}
    assert settings.of_node(available) == Settings(cpu_shares=3584, memory=7 * GIB, pids=900)


FULL = Settings(cpu_shares=1024, cpu_quota=50_000, cpu_period=100_000, memory=GIB, pids=100, hugepages={"2MB": 4 << 20})
OPEN = Settings(cpu_quota=UNLIMITED, cpu_period=100_000, memory=UNLIMITED, pids=UNLIMITED)


@pytest.mark.parametrize(
    ("version", "given", "text"),
    [
        (
            1,
            FULL,
            "cpu.shares=1024 cpu.cfs_period_us=100000 cpu.cfs_quota_us=50000 memory.limit_in_bytes=1073741824 "
            "pids.max=100 hugetlb.2MB.limit_in_bytes=4194304",
        ),
        (
            2,
            FULL,
            "cpu.weight=100 cpu.max=50000 100000 memory.max=1073741824 pids.max=100 hugetlb.2MB.max=4194304",
        ),
        (1, OPEN, "cpu.cfs_period_us=100000 cpu.cfs_quota_us=-1 memory.limit_in_bytes=-1 pids.max=max"),
        (2, OPEN, "cpu.max=max 100000 memory.max=max pids.max=max"),
    ],
)
def test_the_kernels_files(version: int, given: Settings, text: str) -> None:
    assert " ".join(f"{write.file}={write.value}" for write in files.writes(given, version=version)) == text


@pytest.mark.parametrize(
    ("version", "given", "text"),
    [
        (
            2,
            FULL,
            "CPUWeight=100 CPUQuotaPeriodUSec=100000 CPUQuotaPerSecUSec=500000 MemoryMax=1073741824 TasksMax=100",
        ),
        (
            1,
            FULL,
            "CPUShares=1024 CPUQuotaPeriodUSec=100000 CPUQuotaPerSecUSec=500000 MemoryLimit=1073741824 TasksMax=100",
        ),
        (2, OPEN, f"CPUQuotaPerSecUSec={2**64 - 1} MemoryMax={2**64 - 1} TasksMax={2**64 - 1}"),
        (2, Settings(cpu_quota=33_333, cpu_period=100_000), "CPUQuotaPeriodUSec=100000 CPUQuotaPerSecUSec=340000"),
    ],
)
def test_systemds_properties(version: int, given: Settings, text: str) -> None:
    assert " ".join(f"{p.name}={p.value}" for p in systemd.properties(given, version=version)) == text


class FakeBus:
    """Notes the calls; a unit of `exists` is there already."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.refusal = ""

    async def call(self, destination: str, path: str, interface: str, member: str, signature: str, *body: Any) -> Any:
        self.calls.append((member, body[0]))
        if self.refusal and member == "StartTransientUnit":
            raise BusError(self.refusal, "no")
        return []


async def test_systemds_slices(tmp_path: Path) -> None:
    bus = FakeBus()
    made = PodCgroups(CgroupTree(tmp_path), driver="systemd", root="kubepods", pods=list, slices=systemd.Slices(bus, 2))
    await made.ensure(pod())
    slices = ["kubepods-besteffort-poda_b.slice", "kubepods-burstable.slice", "kubepods-besteffort.slice"]
    assert [unit for member, unit in bus.calls if member == "SetUnitProperties"] == slices
    await made.ensure(pod())
    assert len(bus.calls) == 6, "what is set already is not set again"
    bus.refusal = systemd.EXISTS
    await made.ensure(pod(uid="c"))
    bus.refusal = "org.freedesktop.DBus.Error.AccessDenied"
    with pytest.raises(CgroupError, match=r"kubepods-besteffort-podd\.slice cannot be set: no"):
        await made.ensure(pod(uid="d"))
    await made.remove(pod())
    assert bus.calls[-1] == ("StopUnit", "kubepods-besteffort-poda_b.slice")


def tree_of(folder: Path, version: int) -> CgroupTree:
    """A tree as the kernel shows it, for one pod's cgroup."""
    if version == 2:
        folder.joinpath("cgroup.controllers").write_text("cpu memory pids rdma\n")
        for name in ("", "kubepods", "kubepods/burstable", "kubepods/burstable/poda-b"):
            (folder / name).mkdir(exist_ok=True)
            (folder / name / "cgroup.controllers").write_text("cpu memory pids rdma\n")
            (folder / name / "cgroup.subtree_control").write_text("")
            for file in ("cpu.weight", "cpu.max", "memory.max", "pids.max"):
                (folder / name / file).write_text("")
    else:
        for controller, file in (("cpu", "cpu.shares"), ("memory", "memory.limit_in_bytes"), ("pids", "pids.max")):
            for name in ("kubepods", "kubepods/burstable", "kubepods/burstable/poda-b"):
                (folder / controller / name).mkdir(parents=True)
                (folder / controller / name / file).write_text("")
    return CgroupTree(folder)


def empty(folder: Path) -> None:
    """The kernel's own files are no obstacle to removing a cgroup; these are."""
    for file in folder.rglob("poda-b/*"):
        file.unlink()


def found(folder: Path) -> list[Path]:
    return list(folder.rglob("poda-b"))


@pytest.mark.parametrize("version", [1, 2])
async def test_a_tree_of_files(tmp_path: Path, version: int) -> None:
    tree = tree_of(tmp_path, version)
    asked = pod(resources({"cpu": "1"}, {"memory": "1Gi"}))
    made = PodCgroups(tree, driver="cgroupfs", root="kubepods", pods=lambda: [asked], pids=50)
    await made.begin({"memory": quantity.parse("4Gi"), "cpu": quantity.parse("2")})
    await made.ensure(asked)
    name, file = ("memory", "memory.max" if version == 2 else "memory.limit_in_bytes")
    assert tree.read(name, "/kubepods", file) == str(4 * GIB)
    assert tree.read(name, made.name(asked), file) == str(GIB)
    assert tree.read("pids", made.name(asked), "pids.max") == "50"
    assert tree.read("cpu", "/kubepods/burstable", "cpu.weight" if version == 2 else "cpu.shares") in ("100", "1024")
    if version == 2:
        assert tree.read("", "/kubepods/burstable", "cgroup.subtree_control") == "+pids", "only what pods need"
    assert made.clear(known=["a-b"]) == 0
    empty(tmp_path)
    assert made.clear(known=[]) == 1
    assert not found(tmp_path)


async def test_a_kernel_that_refuses(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, 2)
    (tmp_path / "kubepods/burstable/poda-b/pids.max").unlink()
    (tmp_path / "kubepods/burstable/poda-b/pids.max").mkdir()
    made = PodCgroups(tree, driver="cgroupfs", root="kubepods", pods=list, pids=50)
    with pytest.raises(CgroupError, match="/kubepods/burstable/poda-b cannot be set"):
        await made.ensure(pod(resources({"cpu": "1"})))


def test_processes_are_killed_one_by_one_where_the_kernel_cannot_kill_a_cgroup(tmp_path: Path) -> None:
    """Only those that are in it still: a number may be another process's by now."""
    tree, name = tree_of(tmp_path, 1), ":"  # in which all processes are, as they tell it
    with subprocess.Popen(["sleep", "1000"]) as mine, subprocess.Popen(["sleep", "1000"]) as other:
        for cgroup, process in ((f"poda-b/{name}", mine), ("poda-b/none", other)):
            folder = tmp_path / "memory/kubepods/burstable" / cgroup
            folder.mkdir()
            (folder / "cgroup.procs").write_text(f"{process.pid}\n")
            killing.hasten(tree, "/kubepods/burstable/poda-b", f"/kubepods/burstable/{cgroup}")
        survived = other.poll() is None
        other.kill()
        mine.terminate()
        assert mine.wait(10) == -signal.SIGKILL
        assert survived
