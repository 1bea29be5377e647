"""Faults of a machine's parts, done to real processes: slow and failing fsyncs by strace, and full file systems."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from sampan.testing import netns

SYNCS = "fsync,fdatasync"
BLOCK = 1 << 16


def missing() -> str:
    """Why fsyncs cannot be hurt here, "" when they can."""
    return "" if shutil.which("strace") else "strace is missing: install the package strace"


@contextlib.asynccontextmanager
async def injected(pid: int, what: str) -> AsyncIterator[None]:
    """While the block runs, every fsync of the process and of its children is hurt: `delay_enter=MICROSECONDS` or
    `error=EIO`."""
    tracer = await asyncio.to_thread(_tracer, pid, what)
    try:
        yield
    finally:
        tracer.send_signal(signal.SIGTERM)
        await asyncio.to_thread(tracer.wait)


def _tracer(pid: int, what: str) -> subprocess.Popen[bytes]:
    """strace, at work."""
    attached = [part for each in (pid, *children(pid)) for part in ("-p", str(each))]
    command = ["strace", "-f", "-q", "-o", os.devnull, *attached, "-e", f"trace={SYNCS}"]
    tracer = subprocess.Popen([*command, "-e", f"inject={SYNCS}:{what}"], stderr=subprocess.DEVNULL)
    while tracer.poll() is None and not all(map(_traced, (pid, *children(pid)))):
        time.sleep(0.01)
    return tracer


def children(pid: int) -> list[int]:
    """The processes that a process has begun and that still are."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in task.read_text().split()]
    return found


def _traced(pid: int) -> bool:
    """Whether some thread of the process is already under the tracer's eyes."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True
    return "TracerPid:\t0\n" not in status


def mount(folder: Path, megabytes: int) -> None:
    """A file system of its own in memory; in this process's mount namespace (`netns.enter`)."""
    folder.mkdir(parents=True, exist_ok=True)
    netns.run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "faults", str(folder))


def unmount(folder: Path) -> None:
    """It goes when the last process that uses it does."""
    netns.run("umount", "--lazy", str(folder))


@contextlib.contextmanager
def full(folder: Path) -> Iterator[None]:
    """While the block runs there is no room left on the file system of `folder`."""
    filler = folder / "filler"
    try:
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(BLOCK))
        yield
    finally:
        filler.unlink()
