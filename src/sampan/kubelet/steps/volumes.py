"""Setting up a pod's volumes, keeping them current, taking them away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from sampan.cri.errors import RuntimeFailure
from sampan.kubelet import actions
from sampan.kubelet.metrics.volumes import plugin
from sampan.kubelet.steps.workspace import Interrupted, Workspace, make_folder
from sampan.volumes import kinds
from sampan.volumes.errors import VolumeError
from sampan.volumes.interface import Made

RETRY_BASE = 0.5
RETRY_CAP = 122.0
"""Seconds between attempts to mount: upstream's first and longest wait."""
PARTS = ("volumes", "volume-subpaths", "plugins")


class VolumeSteps:
    def __init__(self, space: Workspace) -> None:
        self._space = space
        self._stale = asyncio.Event()
        self._refreshing: asyncio.Task[Any] | None = None

    async def set_up(self, _: actions.SetUpVolumes) -> bool:
        space = self._space
        try:
            make_folder(space.folder)
            space.made = await space.worker.or_ending(kinds.set_up(space.volumes(), self._noted()))
        except Interrupted:
            return True
        except (VolumeError, OSError) as error:
            self._failed(str(error))
        else:
            space.memory.volumes, space.memory.volumes_ready = None, True
        self._follow()
        return True

    def _noted(self) -> Callable[[Any, Made | None], None]:
        """Counts each volume that is made, with the time since the one before."""
        clock, instruments = self._space.context.clock, self._space.context.instruments
        last = clock.monotonic()

        def noted(volume: Any, made: Made | None) -> None:
            nonlocal last
            last, before = clock.monotonic(), last
            instruments.stored("volume_mount", plugin(volume, made), last - before, ok=made is not None)

        return noted

    def _note_gone(self, began: float, *, ok: bool) -> None:
        """Volumes are taken away together: each counts with the time that all of them took."""
        space = self._space
        seconds = space.context.clock.monotonic() - began
        for volume in space.pod.spec.volumes or ():
            name = plugin(volume, space.made.get(volume.name))
            space.context.instruments.stored("volume_unmount", name, seconds, ok=ok)

    def _failed(self, text: str) -> None:
        memory = self._space.memory
        memory.volumes = self._space.failure(memory.volumes, "FailedMount", text, base=RETRY_BASE, cap=RETRY_CAP)
        self._space.tell("", "Warning", "FailedMount", text)

    def _follow(self) -> None:
        """Hears of changes to what the volumes show, from the first attempt on: it may be what the pod waits for."""
        space = self._space
        space.context.objects.follow(space.pod, self.changed)
        if space.memory.volumes_ready and self._refreshing is None and kinds.has_changing(space.pod):
            self._refreshing = space.run(self._refresh_forever, "volumes")

    def changed(self) -> None:
        """Something that the volumes show is not what it was: the pod's own metadata, or an object."""
        if self._space.memory.volumes_ready:
            self._stale.set()
        elif self._space.memory.volumes is not None:
            self._space.memory.volumes = None
            self._space.worker.wake()

    async def _refresh_forever(self) -> None:
        """Brings files up to date when something has changed, and tokens before they end."""
        failures = 0
        while True:
            await self._until_stale(failures)
            self._stale.clear()
            try:
                await kinds.refresh(self._space.volumes())
                failures = 0
            except (VolumeError, OSError) as error:
                failures += 1
                self._space.tell("", "Warning", "FailedMount", str(error))
            self._space.context.objects.follow(self._space.pod, self.changed)

    async def _until_stale(self, failures: int) -> None:
        context = self._space.context
        if failures:
            seconds: float | None = min(RETRY_BASE * 2.0 ** (failures - 1), RETRY_CAP)
        else:
            renewal = context.objects.renewal(self._space.worker.uid)
            seconds = None if renewal is None else max(renewal - context.clock.now(), 0.0)
        try:
            await context.clock.wait_for(self._stale.wait(), seconds)
        except TimeoutError:
            return

    async def tear_down(self, _: actions.TearDown) -> bool:
        space = self._space
        await self._stop_refreshing()
        space.context.objects.forget(space.worker.uid)
        if space.context.image_volumes is not None:
            await space.context.image_volumes.release(space.worker.uid, space.folder)
        began = space.context.clock.monotonic()
        try:
            for name in PARTS:
                await kinds.tear_down(space.folder / name, space.context.mounter)
        except (VolumeError, OSError) as error:
            space.tell("", "Warning", "FailedUnMount", str(error))
            self._note_gone(began, ok=False)
            await self._stop_sandboxes()
            raise RuntimeFailure(f"volumes cannot be taken away: {error}") from None
        self._note_gone(began, ok=True)
        space.memory.torn_down = True
        return True

    async def _stop_sandboxes(self) -> None:
        """What holds up the volumes does not hold the pod's address and ports, too. Raises RuntimeFailure."""
        space = self._space
        for sandbox in space.worker.seen.sandboxes:
            if sandbox.ready:
                await space.context.runtime.stop_sandbox(sandbox.id)
                space.worker.observer.stopped_sandbox(sandbox.id)

    async def _stop_refreshing(self) -> None:
        """Before anything is taken away: a refresh under way would make it anew."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)
