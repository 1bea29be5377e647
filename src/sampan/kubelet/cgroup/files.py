"""Settings as the kernel's files, of either version: pure.

Source: Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst. Values go into the files in the order given here.
"""

from __future__ import annotations

from typing import NamedTuple

from sampan.kubelet.cgroup.settings import UNLIMITED, Settings
from sampan.kubelet.cgroup.weight import weight


class Write(NamedTuple):
    """One value for one file; `controller` is the hierarchy that it lies in on cgroup v1."""

    controller: str
    file: str
    value: str


def writes(settings: Settings, *, version: int) -> list[Write]:
    return v2(settings) if version == 2 else v1(settings)


def v1(settings: Settings) -> list[Write]:
    found = []
    if settings.cpu_shares:
        found.append(Write("cpu", "cpu.shares", str(settings.cpu_shares)))
    if settings.cpu_period:
        found.append(Write("cpu", "cpu.cfs_period_us", str(settings.cpu_period)))
    if settings.cpu_quota:
        found.append(Write("cpu", "cpu.cfs_quota_us", str(settings.cpu_quota)))
    if settings.memory:
        found.append(Write("memory", "memory.limit_in_bytes", str(settings.memory)))
    if settings.pids:
        found.append(Write("pids", "pids.max", limit(settings.pids)))
    sizes = sorted(settings.hugepages.items())
    return [*found, *(Write("hugetlb", f"hugetlb.{size}.limit_in_bytes", str(amount)) for size, amount in sizes)]


def v2(settings: Settings) -> list[Write]:
    found = []
    if settings.cpu_shares:
        found.append(Write("cpu", "cpu.weight", str(weight(settings.cpu_shares))))
    if settings.cpu_quota:
        found.append(Write("cpu", "cpu.max", f"{limit(settings.cpu_quota)} {settings.cpu_period}"))
    if settings.memory:
        found.append(Write("memory", "memory.max", limit(settings.memory)))
    if settings.pids:
        found.append(Write("pids", "pids.max", limit(settings.pids)))
    sizes = sorted(settings.hugepages.items())
    return [*found, *(Write("hugetlb", f"hugetlb.{size}.max", str(amount)) for size, amount in sizes)]


def limit(value: int) -> str:
    return "max" if value == UNLIMITED else str(value)
