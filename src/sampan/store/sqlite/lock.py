"""One process per file. SQLite would let two share it, but each would answer from its own memory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from sampan.aio.clock import Clock
from sampan.store.errors import Unavailable

PATIENCE_SECONDS = 5.0
RETRY_SECONDS = 0.01


def holder(path: Path) -> int:
    """The process that has the store at `path` open, 0 when nobody has."""
    try:
        with path.with_name(path.name + ".lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return 0
    except FileNotFoundError:
        return 0
    except BlockingIOError:
        text = path.with_name(path.name + ".lock").read_text().strip()
        return int(text) if text.isdigit() else 0


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process > 0


class FileLock:
    """Holds `<path>.lock`, which names the holder's process; the kernel releases it when the process dies, and the
    processes that inherited it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.with_name(path.name + ".lock")
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Raises `Unavailable` when another process (or store of this one) holds it, or the folder is not writable."""
        try:
            descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unavailable(f"{self._path} cannot be used: {error.strerror} ({self._file})") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode().strip() or "unknown"
            os.close(descriptor)
            raise Unavailable(
                f"{self._path} is in use by process {holder}: stop it first, or give another data directory"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    async def wait(self, clock: Clock) -> None:
        """As `acquire`; a holder that has died gets a moment, in which its writer's process ends what it was doing."""
        patience = clock.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self.acquire()
            except Unavailable:
                if _is_alive(holder(self._path)) or clock.monotonic() > patience:
                    raise
            await clock.sleep(RETRY_SECONDS)

    @property
    def descriptor(self) -> int:
        """The open file that holds the lock: whoever inherits it holds the lock too."""
        assert self._descriptor is not None, "the lock is not held"
        return self._descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
