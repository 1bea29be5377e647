"""Keeping container logs small: a log past its size is renamed, the runtime opens a new one, the oldest is deleted.

Rotated logs are named `<n>.log.<number>`, 1 the newest. (Kubelet configuration: containerLogMaxSize,
containerLogMaxFiles.)
"""

from __future__ import annotations

import logging
from pathlib import Path

from sampan.cri.errors import RuntimeFailure
from sampan.cri.interface import Runtime
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.containerconfig import log_path, pod_log_folder
from sampan.kubelet.pods import PodWorkers

log = logging.getLogger(__name__)


class LogRotation:
    def __init__(self, runtime: Runtime, pods: PodWorkers, config: KubeletConfig) -> None:
        self._runtime = runtime
        self._pods = pods
        self._config = config

    async def rotate(self) -> int:
        """Looks at the log of every running container once; returns how many were rotated."""
        rotated = 0
        for worker in self._pods.all():
            folder = pod_log_folder(worker.pod, self._config.log_root)
            for container in worker.seen.containers:
                if container.state == "running":
                    path = folder / log_path(container.name, container.restarts)
                    rotated += await self._rotate(path, container.id)
        return rotated

    async def _rotate(self, path: Path, container_id: str) -> bool:
        if size_of(path) <= self._config.log_max_bytes:
            return False
        shift(path, self._config.log_max_files)
        try:
            await self._runtime.reopen_log(container_id)
        except RuntimeFailure as error:
            # The runtime still writes to the renamed file: give it back its name.
            rotated_name(path, 1).rename(path)
            log.warning("a log could not be rotated path=%s error=%s", path, error)
            return False
        return True


def shift(path: Path, most: int) -> None:
    """Frees the name `path`: each rotated file moves up by one, and those beyond `most` files in all go."""
    rotated_name(path, most - 1).unlink(missing_ok=True)
    for number in range(most - 2, 0, -1):
        if rotated_name(path, number).exists():
            rotated_name(path, number).rename(rotated_name(path, number + 1))
    path.rename(rotated_name(path, 1))


def rotated_name(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
