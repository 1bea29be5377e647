"""How full the volumes behind pods' claims are: their file systems', as upstream tells it.

A file server that is gone does not answer, and whoever asks it never comes back. So each volume is asked aside, for
a second at most, and not again before it has answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from sampan.aio.clock import Clock
from sampan.kubelet.stats import disk
from sampan.kubelet.stats.usage import DiskSpace
from sampan.volumes.interface import Made

PATIENCE = 1.0
Aside = Callable[[Callable[[], Any]], Awaitable[Any]]


class ClaimVolumes:
    """`aside(work)` does work where it may hang (`Mounter.aside`)."""

    def __init__(self, clock: Clock, aside: Aside) -> None:
        self._clock = clock
        self._aside = aside
        self._asking: dict[Path, asyncio.Future[DiskSpace | None]] = {}

    async def of(self, pod: Any, made: Mapping[str, Made]) -> dict[str, DiskSpace]:
        """By the name of the pod's volume; those that do not answer are left out."""
        paths = {name: made[name].path for name in claims(pod) if name in made and is_mounted(made[name])}
        found = await asyncio.gather(*(self._space(path) for path in paths.values()))
        return {name: space for name, space in zip(paths, found, strict=True) if space is not None}

    async def _space(self, path: Path) -> DiskSpace | None:
        if path in self._asking:
            return None
        asking = self._asking[path] = asyncio.ensure_future(self._aside(lambda: disk.file_system(path)))
        asking.add_done_callback(lambda _: self._asking.pop(path, None))
        try:
            return await self._clock.wait_for(asyncio.shield(asking), PATIENCE)
        except TimeoutError:
            return None


def claims(pod: Any) -> dict[str, str]:
    """The claim behind each of the pod's volumes that has one."""
    return {volume.name: name for volume in pod.spec.volumes or () if (name := claim(pod, volume))}


def claim(pod: Any, volume: Any) -> str:
    if volume.persistentVolumeClaim is not None:
        return str(volume.persistentVolumeClaim.claimName)
    return f"{pod.metadata.name}-{volume.name}" if volume.ephemeral is not None else ""


def is_mounted(made: Made) -> bool:
    """Whether it lies in its pod's folder: a folder of the node itself is not the claim's to be measured."""
    return "~" in made.path.parent.name
