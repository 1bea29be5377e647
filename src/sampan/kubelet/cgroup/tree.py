"""The cgroup file systems: making cgroups and writing their files.

On v1 each controller has a hierarchy of its own, and a new cpuset is empty until it is given its parent's processors.
On v2 there is one, and a controller must be handed down by each parent before its files are there. A hybrid machine
(v1 with a few controllers on v2) counts as v1.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from sampan.kubelet.cgroup.files import Write, writes
from sampan.kubelet.cgroup.removal import hierarchies, remove_tree
from sampan.kubelet.cgroup.settings import Settings
from sampan.kubelet.resources import SWAP_V1, SWAP_V2

log = logging.getLogger(__name__)
WANTED = ("cpuset", "cpu", "memory", "pids", "hugetlb", "io")
INHERITED = ("cpuset.cpus", "cpuset.mems")


class CgroupTree:
    """`mount` is where the file systems are mounted, /sys/fs/cgroup."""

    def __init__(self, mount: Path) -> None:
        self.mount = mount
        self.version = 2 if (mount / "cgroup.controllers").exists() else 1

    def folder(self, controller: str, name: str) -> Path:
        """Where the files of a cgroup's controller are."""
        return (self.mount if self.version == 2 else self.mount / controller) / name.strip("/")

    def swap(self, name: str) -> str:
        """The file that limits swapping, as a cgroup has it; "" for a kernel without."""
        file = SWAP_V2 if self.version == 2 else SWAP_V1
        return file if self.folder("memory", name).joinpath(file).exists() else ""

    def make(self, name: str) -> None:
        """Makes the cgroup and those above it, in every hierarchy. Raises OSError."""
        for root in hierarchies(self.mount):
            folder = root
            for part in name.strip("/").split("/"):
                if self.version == 2:
                    hand_down(folder)
                folder = folder / part
                folder.mkdir(exist_ok=True)
                inherit(folder)

    def apply(self, name: str, settings: Settings) -> None:
        """Sets what is to be set. Raises OSError when the kernel refuses a value."""
        for write in self._differing(name, writes(settings, version=self.version)):
            self.folder(write.controller, name).joinpath(write.file).write_text(write.value)

    def _differing(self, name: str, wanted: Iterable[Write]) -> Iterable[Write]:
        """Those not set already; a controller that this kernel lacks sets nothing."""
        for write in wanted:
            path = self.folder(write.controller, name) / write.file
            if not path.exists():
                log.debug("not set: the kernel has no such file cgroup=%s file=%s", name, write.file)
            elif path.read_text().strip() != write.value:
                yield write

    def remove(self, name: str) -> None:
        """Removes the cgroup and all below it, as far as nothing runs there."""
        remove_tree(self.mount, name)

    def children(self, name: str) -> set[str]:
        """The names of the cgroups directly below, in any hierarchy."""
        tops = [root / name.strip("/") for root in hierarchies(self.mount)]
        return {entry.name for top in tops if top.is_dir() for entry in top.iterdir() if entry.is_dir()}

    def read(self, controller: str, name: str, file: str) -> str:
        """A file's text, stripped; "" when there is none."""
        try:
            return self.folder(controller, name).joinpath(file).read_text().strip()
        except OSError:
            return ""


def hand_down(folder: Path) -> None:
    """Gives a v2 cgroup's children the controllers that it has."""
    control = folder / "cgroup.subtree_control"
    if not control.exists():
        return
    given = set(control.read_text().split())
    for controller in (folder / "cgroup.controllers").read_text().split():
        if controller in WANTED and controller not in given:
            control.write_text(f"+{controller}")


def inherit(folder: Path) -> None:
    """Gives a new v1 cpuset its parent's processors and memory nodes: nothing can run in an empty one."""
    for name in INHERITED:
        file = folder / name
        if file.exists() and not file.read_text().strip() and (folder / "cgroup.clone_children").exists():
            file.write_text((folder.parent / name).read_text())
