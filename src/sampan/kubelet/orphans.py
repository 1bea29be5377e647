"""Clearing away what belongs to no pod: sandboxes, folders and logs of pods that were deleted while nobody looked.

Only what carries a pod's uid in the place the kubelet puts it is touched. A running orphan is ended with the grace
noted on its containers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sampan.cri import sandboxes
from sampan.cri.errors import RuntimeFailure
from sampan.cri.interface import Runtime
from sampan.cri.messages import pb
from sampan.kubelet import labels, signals
from sampan.kubelet.imagevolumes import ImageVolumes
from sampan.volumes import kinds
from sampan.volumes.errors import VolumeError
from sampan.volumes.mounter import Mounter

log = logging.getLogger(__name__)
DEFAULT_GRACE = 30
AT_ONCE = 16


class Orphans:
    """`known()` are the uids of the pods that have a worker."""

    def __init__(
        self,
        runtime: Runtime,
        mounter: Mounter,
        known: Callable[[], set[str]],
        image_volumes: ImageVolumes | None,
        *,
        root: Path,
        log_root: Path,
    ) -> None:
        self._runtime = runtime
        self._mounter = mounter
        self._known = known
        self._image_volumes = image_volumes
        self._pods = root / "pods"
        self._log_root = log_root

    async def clear(self) -> int:
        """Clears once; returns how many pods' remains were found. Raises RuntimeFailure when the runtime is away."""
        uids = await self._clear_sandboxes()
        uids |= await self._clear_folders()
        await self._clear_logs()
        return len(uids)

    async def _clear_sandboxes(self) -> set[str]:
        known = self._known()
        found = [
            s for s in await self._runtime.list_sandboxes() if s.labels.get(labels.POD_UID, "") not in known | {""}
        ]
        turns = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(self._end(sandbox, turns) for sandbox in found))
        return {sandbox.labels[labels.POD_UID] for sandbox in found}

    async def _end(self, sandbox: Any, turns: asyncio.Semaphore) -> None:
        meta = sandbox.metadata
        async with turns:
            log.info("clearing an orphaned pod namespace=%s name=%s", meta.namespace, meta.name)
            try:
                containers = await self._runtime.list_containers({labels.POD_UID: meta.uid})
                running = [c for c in containers if c.pod_sandbox_id == sandbox.id and c.state == pb.CONTAINER_RUNNING]
                await asyncio.gather(*(self._runtime.stop_container(c.id, grace_of(c), signal_of(c)) for c in running))
                await sandboxes.remove(self._runtime, sandbox.id)
            except RuntimeFailure as error:
                log.warning("an orphaned pod could not be cleared uid=%s error=%s", meta.uid, error)

    async def _clear_folders(self) -> set[str]:
        """Those of pods that nobody knows and that run no more."""
        if not self._pods.is_dir():
            return set()
        orphans = {folder.name for folder in self._pods.iterdir()} - self._known()
        if orphans:
            orphans -= {sandbox.metadata.uid for sandbox in await self._runtime.list_sandboxes()}
        for uid in orphans:
            try:
                if self._image_volumes is not None:
                    await self._image_volumes.release(uid, self._pods / uid)
                await kinds.tear_down(self._pods / uid, self._mounter)
            except (VolumeError, OSError) as error:
                log.warning("the folder of an orphaned pod could not be removed uid=%s error=%s", uid, error)
        return orphans

    async def _clear_logs(self) -> None:
        """Log folders end in the pod's uid: `<namespace>_<name>_<uid>`."""
        if not self._log_root.is_dir():
            return
        known = self._known()
        for folder in self._log_root.iterdir():
            parts = folder.name.split("_")
            if len(parts) == 3 and parts[2] not in known:
                await self._mounter.remove(folder)


def signal_of(container: Any) -> int:
    """What ends it, as noted when it was made; 0 for the runtime's choice."""
    return signals.of_linux(container.annotations.get(labels.STOP_SIGNAL, ""))


def grace_of(container: Any) -> int:
    """Seconds, as noted when the container was made."""
    return int(container.annotations.get(labels.GRACE_PERIOD, DEFAULT_GRACE))
