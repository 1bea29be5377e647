"""Stopping a container: preStop hook, stop signal, SIGKILL, all within its grace, while the worker goes on."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from sampan.cri.errors import RuntimeFailure
from sampan.kubelet import actions
from sampan.kubelet.handlers import Answer
from sampan.kubelet.hooks import pre_stop, run_hook
from sampan.kubelet.spec import container_by_name
from sampan.kubelet.steps.workspace import RETRY_BASE, Workspace

SHORTEST_GRACE = 2.0
"""Seconds that the stop signal gets however long the hook took (upstream's minimum)."""


class StopSteps:
    def __init__(self, space: Workspace) -> None:
        self._space = space
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self._hooked: set[str] = set()

    async def stop(self, action: actions.StopContainer) -> bool:
        """Begins to stop it: nothing has happened yet that a look would show."""
        self._space.memory.stopping.add(action.id)
        self._space.tell(action.container, "Normal", "Killing", action.message)
        self._tasks[action.id] = self._space.run(lambda: self._stop(action), f"stop {action.container}")
        return True

    def interrupt(self) -> None:
        """Lets containers be stopped again, with less grace than they were given."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()
        self._space.memory.stopping.clear()

    async def _stop(self, action: actions.StopContainer) -> None:
        space = self._space
        try:
            left = await self._pre_stop(action)
            await space.context.runtime.stop_container(action.id, math.ceil(left))
        except RuntimeFailure as error:
            space.tell(action.container, "Warning", "FailedKillPod", f"error killing pod: {error}")
            await space.context.clock.sleep(RETRY_BASE)
        self._tasks.pop(action.id, None)
        space.memory.stopping.discard(action.id)
        space.worker.wake()

    async def _pre_stop(self, action: actions.StopContainer) -> float:
        """Runs the hook if there is one, once for each container; returns the seconds of grace that are left."""
        space, clock = self._space, self._space.context.clock
        spec = container_by_name(space.pod, action.container)
        hook = pre_stop(spec) if spec is not None and action.prestop else None
        if hook is None or action.grace <= 0 or action.id in self._hooked:
            return action.grace
        self._hooked.add(action.id)
        began = clock.monotonic()
        running = run_hook(space.context.handlers, clock, hook, space.target(spec, action.id))
        try:
            answer = await clock.wait_for(running, action.grace)
        except TimeoutError:
            answer = Answer(False, f"not finished within {action.grace:g}s")
        if not answer.ok:
            space.tell(action.container, "Warning", "FailedPreStopHook", f"PreStopHook failed: {answer.text}")
        return max(action.grace - (clock.monotonic() - began), SHORTEST_GRACE)
