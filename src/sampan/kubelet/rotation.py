"""Keeping container logs small: a log past its size is renamed, the runtime opens a new one, the oldest are deleted.

Rotated logs are named `<n>.log.<time>`; all but the newest are compressed (`.gz`), when the next one has joined them.
Logs that grow are looked at every ten seconds; while one fills much faster, so often that it gets little larger than it
may, and nothing is compressed, for it will soon be deleted. One that has not grown since is watched by the kernel for
its next write and costs nothing until then, so that the price of looking follows what is written and not how many pods
there are.
(Kubelet configuration: containerLogMaxSize, containerLogMaxFiles, containerLogMonitorInterval.)
"""

from __future__ import annotations

import contextlib
import gzip
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from sampan.aio.clock import Clock
from sampan.cri.errors import RuntimeFailure
from sampan.cri.interface import Runtime
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.containerconfig import log_path, pod_log_folder
from sampan.kubelet.podfiles import open_regular
from sampan.kubelet.pods import PodWorkers

log = logging.getLogger(__name__)
COMPRESSED = ".gz"
UNFINISHED = ".tmp"
CHUNK = 64 << 10
SHORTEST_PAUSE = 1.0
"""Seconds between looks at what grows fast."""
MUCH = 2
"""How many times its size a log may grow between two looks before it counts as fast."""


class Writes(Protocol):
    """`sampan.aio.inotify.FileWrites`."""

    def next(self, path: Path, told: Callable[[], None]) -> bool: ...


class LogRotation:
    """`sizes` are those of the logs that grow, as last seen; `_quiet` are those that the kernel watches."""

    def __init__(
        self, runtime: Runtime, pods: PodWorkers, config: KubeletConfig, clock: Clock, writes: Callable[[], Writes]
    ) -> None:
        self._runtime = runtime
        self._pods = pods
        self._config = config
        self._clock = clock
        self._open_writes = writes
        self._sizes: dict[Path, int] = {}
        self._quiet: set[Path] = set()
        self._pause = config.log_check
        self._grown = 0
        self.looks = 0

    async def run(self) -> None:
        """Looks until cancelled."""
        writes = self._open_writes()
        while True:
            await self._clock.sleep(self._pause)
            await self.rotate(writes)
            self._pause = pause(self._pause, self._grown, self._config)

    async def rotate(self, writes: Writes) -> int:
        """Looks once at the logs that grow; returns how many were rotated."""
        running = self._running()
        self._quiet &= running.keys()
        rotated = self._grown = 0
        for path in running.keys() - self._quiet:
            try:
                rotated += await self._care_for(path, running[path], writes)
            except (RuntimeFailure, OSError) as error:
                log.warning("a log could not be rotated path=%s error=%s", path, error)
        self._sizes = {path: size for path, size in self._sizes.items() if path in running}
        return rotated

    async def _care_for(self, path: Path, container_id: str, writes: Writes) -> bool:
        """Rotates one log if it has to be; raises RuntimeFailure and OSError."""
        size = self._look(path, writes)
        if size is None:
            # A kubelet died between renaming it and saying so.
            await self._runtime.reopen_log(container_id)
        elif size > self._config.log_max_bytes:
            await self._rotate(path, container_id)
            return True
        return False

    def _running(self) -> dict[Path, str]:
        """The log of every running container, and the container's id."""
        found = {}
        for worker in self._pods.all():
            folder = pod_log_folder(worker.pod, self._config.log_root)
            for container in worker.seen.containers:
                if container.state == "running":
                    found[folder / log_path(container.name, container.restarts)] = container.id
        return found

    def _look(self, path: Path, writes: Writes) -> int | None:
        """The log's size, None when it is gone; one that has not grown is left to the kernel."""
        self.looks += 1
        try:
            size = path.lstat().st_size
        except FileNotFoundError:
            return None
        self._grown = max(self._grown, size - self._sizes.get(path, 0))
        if self._sizes.get(path) == size and size <= self._config.log_max_bytes:
            self._watch(path, size, writes)
        self._sizes[path] = size
        return size

    def _watch(self, path: Path, size: int, writes: Writes) -> None:
        # What is written between the look and the watch is seen by looking once more.
        if writes.next(path, lambda: self._quiet.discard(path)) and path.lstat().st_size == size:
            self._quiet.add(path)

    async def _rotate(self, path: Path, container_id: str) -> None:
        for former in excess(rotated_logs(path), self._config.log_max_files):
            former.unlink(missing_ok=True)
        newest = renamed(path, former_name(path, self._clock.now()))
        try:
            await self._runtime.reopen_log(container_id)
        except RuntimeFailure:
            # The runtime still writes to the renamed file: give it back its name.
            renamed(newest, path)
            raise
        self._sizes[path] = 0
        if self._pause >= self._config.log_check:
            await self._compress_former(path, newest)

    async def _compress_former(self, path: Path, newest: Path) -> None:
        for former in rotated_logs(path):
            if former != newest and former.suffix != COMPRESSED:
                with contextlib.suppress(OSError):
                    await compress(former, self._clock)


def pause(last: float, grown: int, config: KubeletConfig) -> float:
    """Seconds until the next look, when a log grew by so many bytes in the `last`."""
    if grown * config.log_check <= MUCH * config.log_max_bytes * last:
        return config.log_check
    return min(max(last * config.log_max_bytes / grown, SHORTEST_PAUSE), config.log_check)


def rotated_logs(path: Path) -> list[Path]:
    """Former logs, oldest first."""
    return sorted(path.parent.glob(f"{path.name}.*"))


def former_name(path: Path, now: float) -> Path:
    """What a log is called from now on: the second, or the next one that no former log of its has."""
    taken = {former.name.removesuffix(COMPRESSED) for former in rotated_logs(path)}
    while (name := f"{path.name}.{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}") in taken:
        now += 1
    return path.with_name(name)


def excess(former: list[Path], most: int) -> list[Path]:
    """Which of them have to go so that there are `most` files with one more and the log itself; the unfinished, too."""
    finished = [path for path in former if path.suffix != UNFINISHED]
    kept = finished[max(len(finished) - (most - 2), 0) :]
    return [path for path in former if path not in kept]


def renamed(path: Path, to: Path) -> Path:
    return path.rename(to)


async def compress(path: Path, clock: Clock) -> None:
    """Replaces a file by its compressed form, a piece at a time so that others are not held up; raises OSError."""
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        with open_regular(path) as source, gzip.open(unfinished, "wb", compresslevel=6) as target:
            while data := source.read(CHUNK):
                target.write(data)
                await clock.sleep(0)
    except OSError:
        remove(unfinished)
        raise
    renamed(unfinished, path.with_name(path.name + COMPRESSED))
    remove(path)


def remove(path: Path) -> None:
    path.unlink(missing_ok=True)
