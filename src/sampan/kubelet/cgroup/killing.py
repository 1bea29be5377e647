"""Helping what was killed to die.

A process dies when it next runs. The runtime kills a container's first process, and the kernel the others once that has
run: among thousands under a small CPU limit each waits minutes for its turn. So the limit is taken off, and all are
killed at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from sampan.kubelet.cgroup.settings import UNLIMITED, Settings
from sampan.kubelet.cgroup.tree import CgroupTree
from sampan.kubelet.resources import CPU_PERIOD

UNBOUND = Settings(cpu_quota=UNLIMITED, cpu_period=CPU_PERIOD)


def hasten(tree: CgroupTree, pod: str, container: str) -> None:
    """Kills everything in the cgroup `container`, which lies in that of `pod`, both without a CPU limit from now on."""
    for name in (pod, container):
        with contextlib.suppress(OSError):
            tree.apply(name, UNBOUND)
    with contextlib.suppress(OSError):
        (kill if tree.version == 2 else kill_each)(tree, container)


def kill(tree: CgroupTree, name: str) -> None:
    (tree.folder("cpu", name) / "cgroup.kill").write_text("1")


def kill_each(tree: CgroupTree, name: str) -> None:
    """Where the kernel cannot kill a cgroup as a whole; what they fork meanwhile dies with the container's first."""
    for file in tree.folder("memory", name).rglob("cgroup.procs"):
        for pid in file.read_text().split():
            with contextlib.suppress(OSError):
                kill_one(int(pid), Path(name).name)


def kill_one(pid: int, cgroup: str) -> None:
    """Unless the number is another process's by now. Raises OSError."""
    held = os.pidfd_open(pid)
    try:
        if cgroup in Path(f"/proc/{pid}/cgroup").read_text():
            signal.pidfd_send_signal(held, signal.SIGKILL)
    finally:
        os.close(held)
