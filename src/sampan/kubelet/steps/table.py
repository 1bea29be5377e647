"""Which step carries out which action."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sampan.kubelet import actions
from sampan.kubelet.context import NodeContext
from sampan.kubelet.steps.containers import ContainerSteps
from sampan.kubelet.steps.finish import FinishStep
from sampan.kubelet.steps.images import ImageSteps
from sampan.kubelet.steps.resizes import ResizeStep
from sampan.kubelet.steps.sandboxes import SandboxSteps
from sampan.kubelet.steps.stops import StopSteps
from sampan.kubelet.steps.volumes import VolumeSteps
from sampan.kubelet.steps.workspace import Worker, Workspace
from sampan.volumes.interface import Made


class Steps:
    """All steps of one worker."""

    def __init__(self, worker: Worker, context: NodeContext) -> None:
        self._space = space = Workspace(worker, context)
        volumes, sandboxes, containers = VolumeSteps(space), SandboxSteps(space), ContainerSteps(space)
        self._stops = StopSteps(space)
        self._table: dict[type, Callable[[Any], Awaitable[bool | None]]] = {
            actions.SetUpVolumes: volumes.set_up,
            actions.TearDown: volumes.tear_down,
            actions.CreateSandbox: sandboxes.create,
            actions.StopSandbox: sandboxes.stop,
            actions.RemoveSandbox: sandboxes.remove,
            actions.EnsureImage: ImageSteps(space).ensure,
            actions.StartContainer: containers.start,
            actions.StopContainer: self._stops.stop,
            actions.RunPreStop: self._stops.pre_stop,
            actions.RemoveContainer: containers.remove,
            actions.Resize: ResizeStep(space).resize,
            actions.Finish: FinishStep(space).finish,
        }
        self.tell = space.tell
        self.interrupt_stops = self._stops.interrupt
        self.awaited = self._stops.awaited
        self.pod_changed = volumes.changed

    @property
    def made(self) -> Mapping[str, Made]:
        """The volumes that were set up, by name."""
        return self._space.made

    async def do(self, action: actions.Action) -> bool:
        """Carries an action out. A step says True when the worker's observer knows already what came of it.

        Raises RuntimeFailure when the runtime is in the way of a step that has no place for its failure.
        """
        return bool(await self._table[type(action)](action))
