"""Where events go: a file, a line each, put aside when it is large; or standard output.

Lines are written by one call of the system, so that several servers may share a file. What was put aside is named by
the time, as upstream's: `audit-2026-11-21T22-40-07.123.log`. Files are their owner's alone: they may hold objects,
Secrets among them.
"""

from __future__ import annotations

import gzip
import logging
import os
import re
import shutil
import threading
import time
from pathlib import Path
from typing import Protocol

from sampan.aio.clock import Clock
from sampan.apiserver.audit.options import AuditOptions

log = logging.getLogger(__name__)

STANDARD_OUTPUT = "-"
DEFAULT_MEGABYTES = 100
PRIVATE = 0o600
MOMENT = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}"
COMPLAIN_SECONDS = 60.0
DAY_SECONDS = 86_400


class Log(Protocol):
    """Takes lines."""

    def write(self, line: bytes) -> None:
        """Raises OSError when it could not be written."""

    def close(self) -> None: ...


class OutputLog:
    """Standard output."""

    def write(self, line: bytes) -> None:
        _whole(1, line)

    def close(self) -> None:
        """It is not ours to close."""


class FileLog:
    """Raises OSError for a file that cannot be written."""

    def __init__(self, options: AuditOptions, clock: Clock) -> None:
        assert options.path is not None
        self._path = options.path
        self._options = options
        self._clock = clock
        self._limit = (options.max_megabytes or DEFAULT_MEGABYTES) * 1024 * 1024
        self._torn = False
        self._tidying = threading.Lock()
        self._file = self._open()
        self._size = os.fstat(self._file).st_size

    def write(self, line: bytes) -> None:
        if self._size and self._size + len(line) > self._limit:
            self._turn()
        data = b"\n" + line if self._torn else line
        self._torn = True
        _whole(self._file, data)
        self._torn = False
        self._size += len(data)

    def close(self) -> None:
        os.close(self._file)

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, PRIVATE)

    def _turn(self) -> None:
        """Put the file aside and begin another."""
        now = self._clock.now()
        self._path.rename(self._aside(now))
        os.close(self._file)
        self._file, self._size = self._open(), 0
        threading.Thread(target=self._tidy, args=(now,), name="audit-log", daemon=True).start()

    def _aside(self, now: float) -> Path:
        moment = time.strftime("%Y-%m-%dT%H-%M-%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}"
        return self._path.with_name(f"{self._path.stem}-{moment}{self._path.suffix}")

    def _tidy(self, now: float) -> None:
        """Delete what was put aside long ago or is too much, and compress the rest; in a thread."""
        options = self._options
        with self._tidying:
            try:
                files = backups(self._path)
                kept = files[-options.max_backups :] if options.max_backups else files
                oldest = self._aside(now - options.max_days * DAY_SECONDS).name if options.max_days else ""
                kept = [file for file in kept if file.name >= oldest]
                for file in files:
                    if file not in kept:
                        file.unlink()
                    elif options.compress and file.suffix != ".gz":
                        _compress(file)
            except OSError as error:
                log.error("old audit logs not put in order path=%s problem=%s", self._path, error)


def backups(path: Path) -> list[Path]:
    """What was put aside of a log, the oldest first."""
    name = re.compile(
        rf"{re.escape(path.stem)}-\d{{4}}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{{3}}{re.escape(path.suffix)}(\.gz)?"
    )
    return sorted(file for file in path.parent.iterdir() if name.fullmatch(file.name))


def _compress(file: Path) -> None:
    draft = file.with_name(f".{file.name}.gz")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
    with file.open("rb") as plain, os.fdopen(descriptor, "wb") as raw, gzip.open(raw, "wb") as packed:
        shutil.copyfileobj(plain, packed)
    times = file.stat()
    os.utime(draft, (times.st_atime, times.st_mtime))
    draft.rename(file.with_name(f"{file.name}.gz"))
    file.unlink()


def _whole(descriptor: int, data: bytes) -> None:
    """Raises OSError."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
