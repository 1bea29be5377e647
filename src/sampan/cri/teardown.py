"""What is left of a containerd whose CRI can no longer be asked: shims and their containers' processes.

They are recognised by our own socket in a shim's command line, so another containerd on the machine is never touched.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

SHIM = "containerd-shim"


def end_shims(socket: Path, proc: Path = Path("/proc")) -> None:
    """Kills the shims that serve the containerd at `socket`, and all their descendants."""
    parents = {pid: parent for pid, parent, _ in processes(proc)}
    shims = {pid for pid, _, command in processes(proc) if SHIM in command[0] and str(socket) in command}
    doomed = {pid for pid in parents if shims & set(lineage(pid, parents))}
    for pid in doomed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def remove_dead_sockets(folder: Path, table: Path = Path("/proc/net/unix")) -> None:
    """Removes the sockets in `folder` that nobody listens at any more; shims that were killed leave theirs."""
    listening = {line.split()[-1] for line in table.read_text().splitlines() if line}
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_socket() and str(path) not in listening:
            path.unlink(missing_ok=True)


def processes(proc: Path) -> Iterator[tuple[int, int, list[str]]]:
    """(pid, parent's pid, command line) of what runs, kernel threads left out."""
    for folder in proc.iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            command = (folder / "cmdline").read_bytes().rstrip(b"\0").decode(errors="replace").split("\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if command[0]:
                yield int(folder.name), parent, command


def lineage(pid: int, parents: dict[int, int]) -> Iterator[int]:
    """The process and its ancestors."""
    while pid in parents:
        yield pid
        pid = parents[pid]
