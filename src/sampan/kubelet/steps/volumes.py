"""Setting up a pod's volumes, keeping them current, taking them away."""

from __future__ import annotations

from sampan.cri.errors import RuntimeFailure
from sampan.kubelet import actions
from sampan.kubelet.steps.workspace import Interrupted, Workspace, make_folder
from sampan.volumes import kinds
from sampan.volumes.errors import VolumeError


class VolumeSteps:
    def __init__(self, space: Workspace) -> None:
        self._space = space

    async def set_up(self, _: actions.SetUpVolumes) -> None:
        space = self._space
        try:
            make_folder(space.folder)
            space.paths = await space.worker.or_ending(kinds.set_up(space.volumes()))
        except Interrupted:
            return
        except (VolumeError, OSError) as error:
            space.memory.volumes = space.failure(space.memory.volumes, "FailedMount", str(error))
            space.tell("", "Warning", "FailedMount", str(error))
            return
        space.memory.volumes, space.memory.volumes_ready = None, True
        if kinds.has_changing(space.pod):
            space.run(self._refresh_forever, "volumes")

    async def _refresh_forever(self) -> None:
        """Keeps volumes current within a minute, each pod at its own moment."""
        context = self._space.context
        while True:
            await context.clock.sleep(context.config.volume_refresh * (0.8 + 0.2 * context.rng.random()))
            if self._space.memory.torn_down:
                return
            try:
                await kinds.refresh(self._space.volumes())
            except (VolumeError, OSError) as error:
                self._space.tell("", "Warning", "FailedMount", str(error))

    async def tear_down(self, _: actions.TearDown) -> None:
        space = self._space
        try:
            for name in ("volumes", "volume-subpaths"):
                kinds.tear_down(space.folder / name, space.context.mounter)
        except (VolumeError, OSError) as error:
            space.tell("", "Warning", "FailedUnMount", str(error))
            raise RuntimeFailure(f"volumes cannot be taken away: {error}") from None
        space.memory.torn_down = True
