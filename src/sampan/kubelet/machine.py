"""What this machine is and has: the kubelet's only look at /proc and its neighbours."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from sampan.cri.oci import architecture


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Fixed while the node runs; memory in bytes."""

    cpus: int
    memory: int
    architecture: str
    operating_system: str
    kernel: str
    os_image: str
    machine_id: str
    system_uuid: str
    boot_id: str
    cores: int = 0
    """Physical ones; 0 where the kernel does not say. So for `sockets`."""
    sockets: int = 0
    swap: int = 0
    apparmor: bool = False
    """Whether the kernel enforces AppArmor profiles."""
    huge_pages: tuple[tuple[int, int], ...] = ()
    """The sizes of huge pages that it knows, in bytes, and how many there are of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What changes: bytes of memory available, bytes and inodes of the node's file system, and process ids.

    Available is what is free and what files have cached without need, as in upstream's memory.available.
    """

    memory_available: int
    disk_bytes: int
    disk_available: int
    disk_inodes: int
    disk_inodes_free: int
    pids: int
    pids_most: int


def machine(root: Path = Path("/")) -> Machine:
    release = os.uname()
    cores, sockets = cores_and_sockets(root)
    return Machine(
        cpus=len(os.sched_getaffinity(0)),
        memory=meminfo(root)["MemTotal"],
        architecture=architecture(),
        operating_system="linux",
        kernel=release.release,
        os_image=os_image(root),
        machine_id=text(root / "etc/machine-id"),
        system_uuid=text(root / "sys/class/dmi/id/product_uuid") or text(root / "etc/machine-id"),
        cores=cores,
        sockets=sockets,
        swap=meminfo(root).get("SwapTotal", 0),
        boot_id=text(root / "proc/sys/kernel/random/boot_id"),
        apparmor=text(root / "sys/module/apparmor/parameters/enabled").startswith("Y"),
        huge_pages=huge_pages(root),
    )


def usage(path: Path, root: Path = Path("/")) -> Usage:
    """`path` is on the file system that pods fill."""
    disk, memory = os.statvfs(path), meminfo(root)
    running = text(root / "proc/loadavg").split()[3].partition("/")[2]
    return Usage(
        memory_available=memory["MemFree"] + memory["Inactive(file)"],
        disk_bytes=shutil.disk_usage(path).total,
        disk_available=disk.f_bavail * disk.f_frsize,
        disk_inodes=disk.f_files,
        disk_inodes_free=disk.f_ffree,
        pids=int(running),
        pids_most=int(text(root / "proc/sys/kernel/pid_max")),
    )


def cores_and_sockets(root: Path) -> tuple[int, int]:
    """How many physical cores /proc/cpuinfo lists, and in how many sockets; 0 where it does not say."""
    found = set()
    for part in text(root / "proc/cpuinfo").split("\n\n"):
        lines = dict(line.split(":", 1) for line in part.replace("\t", "").splitlines() if ":" in line)
        if "physical id" in lines:
            found.add((lines["physical id"], lines.get("core id", "")))
    return len(found), len({socket for socket, _ in found})


def huge_pages(root: Path) -> tuple[tuple[int, int], ...]:
    """Folders are named as `hugepages-2048kB`."""
    folders = root.glob("sys/kernel/mm/hugepages/hugepages-*kB")
    counts = {int(f.name[10:-2]) * 1024: int(text(f / "nr_hugepages") or 0) for f in folders}
    return tuple(sorted(counts.items()))


def meminfo(root: Path) -> dict[str, int]:
    """/proc/meminfo in bytes."""
    lines = (line.split() for line in text(root / "proc/meminfo").splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines}


def os_image(root: Path) -> str:
    for path in ("etc/os-release", "usr/lib/os-release"):
        for line in text(root / path).splitlines():
            if line.startswith("PRETTY_NAME="):
                return line.partition("=")[2].strip('"')
    return "Linux"


def text(path: Path) -> str:
    """A file's text, stripped; "" when it cannot be read."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
