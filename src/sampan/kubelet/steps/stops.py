"""Stopping a container: preStop hook, stop signal, SIGKILL, all within its grace, while the worker goes on."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import Any

from sampan.aio.clock import Clock
from sampan.cri.errors import RuntimeFailure
from sampan.kubelet import actions, signals
from sampan.kubelet.hooks import run_hook
from sampan.kubelet.spec import container_by_name, full_name, pre_stop, stop_signal
from sampan.kubelet.steps.workspace import RETRY_BASE, Workspace

log = logging.getLogger(__name__)
SHORTEST_GRACE = 2.0
"""Seconds that the stop signal gets however long the hook took (upstream's minimum)."""

DYING_SECONDS = 3.0
"""What a container gets beyond its grace to be gone, before it is helped."""


class StopSteps:
    def __init__(self, space: Workspace) -> None:
        self._space = space
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self._hooks: dict[str, asyncio.Task[Any]] = {}
        self.awaited: set[str] = set()
        """Containers of which the runtime will answer when they have ended."""

    async def stop(self, action: actions.StopContainer) -> bool:
        """Begins to stop it: nothing has happened yet that a look would show."""
        self._space.memory.stopping.add(action.id)
        self._space.tell(action.container, "Normal", "Killing", action.message)
        self._tasks[action.id] = self._space.run(lambda: self._stop(action), f"stop {action.container}")
        return True

    async def pre_stop(self, action: actions.RunPreStop) -> bool:
        """Begins the hook of a container that is stopped later."""
        self._space.memory.prestopped.add(action.id)
        self._begin_hook(action.id, action.container)
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
            await self._signal(action.id, left, self._own_signal(action.container))
        except RuntimeFailure as error:
            space.tell(action.container, "Warning", "FailedKillPod", f"error killing pod: {error}")
            await space.context.clock.sleep(RETRY_BASE)
        self._tasks.pop(action.id, None)
        space.memory.stopping.discard(action.id)
        space.worker.ended(action.id)

    async def _signal(self, container_id: str, left: float, signal: int) -> None:
        self.awaited.add(container_id)
        try:
            await self._end(container_id, math.ceil(left), signal)
        finally:
            self.awaited.discard(container_id)

    def _own_signal(self, name: str) -> int:
        """Linux's number of the signal that the spec names; 0 when it names none."""
        spec = container_by_name(self._space.pod, name)
        return signals.of_linux(stop_signal(spec)) if spec is not None else 0

    async def _end(self, container_id: str, grace: int, signal: int) -> None:
        """Has the runtime stop it; what survives being killed is helped to die, when its pod ends with it."""
        context, memory = self._space.context, self._space.memory
        stopping = asyncio.ensure_future(context.runtime.stop_container(container_id, grace, signal))
        patience = grace + DYING_SECONDS
        try:
            while not await is_done(stopping, context.clock, patience):
                patience = DYING_SECONDS
                if memory.ending is not None:
                    context.cgroups.hasten(self._space.pod, container_id)
        finally:
            stopping.cancel()

    async def _pre_stop(self, action: actions.StopContainer) -> float:
        """Runs the hook if there is one, once for each container; returns the seconds of grace that are left."""
        clock = self._space.context.clock
        if action.grace <= 0 or not action.prestop:
            return action.grace
        hook = self._hooks.get(action.id) or self._begin_hook(action.id, action.container)
        if hook is None:
            return action.grace
        began = clock.monotonic()
        try:
            await clock.wait_for(asyncio.shield(hook), action.grace)
        except TimeoutError:
            self._hook_failed(action.container, f"not finished within {action.grace:g}s")
            hook.cancel()
        return max(action.grace - (clock.monotonic() - began), SHORTEST_GRACE)

    def _begin_hook(self, container_id: str, name: str) -> asyncio.Task[Any] | None:
        spec = container_by_name(self._space.pod, name)
        if spec is None or pre_stop(spec) is None:
            return None
        task: asyncio.Task[Any] = self._space.run(lambda: self._run_hook(spec, container_id), f"preStop {name}")
        self._hooks[container_id] = task
        return task

    async def _run_hook(self, spec: Any, container_id: str) -> None:
        context = self._space.context
        answer = await run_hook(context.handlers, context.clock, pre_stop(spec), self._space.target(spec, container_id))
        if not answer.ok:
            self._hook_failed(spec.name, answer.text)

    def _hook_failed(self, container: str, text: str) -> None:
        """What the hook said may hold a secret: it goes to the node's log, not into the event (as upstream)."""
        log.warning("preStop hook failed pod=%s container=%s: %s", full_name(self._space.pod), container, text)
        self._space.tell(container, "Warning", "FailedPreStopHook", "PreStopHook failed")


async def is_done(work: asyncio.Future[Any], clock: Clock, seconds: float) -> bool:
    """Whether it ends within that time; raises its error."""
    try:
        await clock.wait_for(asyncio.shield(work), seconds)
    except TimeoutError:
        return False
    return True
