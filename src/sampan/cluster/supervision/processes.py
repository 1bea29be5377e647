"""A process known by more than its number.

Process ids are used again. A `Record` therefore holds the id and the moment the process began (field 22 of
`/proc/PID/stat`, clock ticks since boot), so that a record read from a file after a crash names that very process
or none. A pidfd (Linux 5.3) tells of its end, whether or not it is our child.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from pathlib import Path

import msgspec

from sampan.cluster.layout import write_private


class Record(msgspec.Struct, frozen=True):
    """`restarts` counts the starts after the first; `started` is in seconds since the epoch."""

    name: str
    pid: int
    began: int
    started: float = 0.0
    restarts: int = 0

    @property
    def alive(self) -> bool:
        return began(self.pid) == self.began

    def signal(self, number: signal.Signals) -> bool:
        """Sends a signal to that very process; False when it is gone."""
        if not self.alive:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
            return True
        return False

    def wait(self, seconds: float) -> bool:
        """Whether it ended within that time."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            return not self.alive or bool(select.select([descriptor], [], [], seconds)[0])
        finally:
            os.close(descriptor)


def began(pid: int) -> int | None:
    """When a process began, in clock ticks since boot; None when there is none or it is a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def record(name: str, pid: int, *, started: float, restarts: int = 0) -> Record:
    """The record of a running process."""
    return Record(name=name, pid=pid, began=began(pid) or 0, started=started, restarts=restarts)


class Records:
    """The records of a cluster's processes, a file each, so that a new supervisor finds the running ones."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, entry: Record) -> None:
        write_private(self._file(entry.name), msgspec.json.encode(entry))

    def load(self, name: str) -> Record | None:
        """The last record of that name, alive or not; None when there is none or it cannot be read."""
        try:
            return msgspec.json.decode(self._file(name).read_bytes(), type=Record)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def remove(self, name: str) -> None:
        self._file(name).unlink(missing_ok=True)

    def all(self) -> list[Record]:
        found = (self.load(path.stem) for path in sorted(self.folder.glob("*.process")))
        return [entry for entry in found if entry]

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.process"
