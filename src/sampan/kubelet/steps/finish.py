"""The last step: the pod's object out of the API, and its files, logs and cgroup off the node."""

from __future__ import annotations

from sampan.kubelet import actions
from sampan.kubelet.steps.workspace import Workspace
from sampan.volumes import kinds


class FinishStep:
    def __init__(self, space: Workspace) -> None:
        self._space = space

    async def finish(self, _: actions.Finish) -> None:
        space = self._space
        if not space.memory.removed:
            await space.context.publisher.delete(space.pod)
        space.context.publisher.forget(space.worker.uid)
        space.context.objects.forget(space.worker.uid)
        await remove_pod_files(space)
        made = space.context.instruments
        with made.timed(made.cgroups.labels("destroy")):
            await space.context.cgroups.remove(space.pod)
        space.context.cpus.forget(space.worker.uid)
        space.worker.finished = True


async def remove_pod_files(space: Workspace) -> None:
    """Raises VolumeError when something is still mounted there."""
    await kinds.tear_down(space.folder, space.context.mounter)
    await space.context.mounter.remove(space.log_folder)
