"""Making, stopping and removing a pod's sandbox."""

from __future__ import annotations

import asyncio
from typing import Any

from sampan.cri import sandboxes
from sampan.cri.errors import RuntimeFailure, RuntimeUnavailable
from sampan.kubelet import actions
from sampan.kubelet.cgroup.manager import CgroupError
from sampan.kubelet.environment import ConfigError
from sampan.kubelet.hosts import HostnameError
from sampan.kubelet.resize.amounts import POD, amounts
from sampan.kubelet.steps.workspace import Interrupted, Workspace, make_folder

TURN_SECONDS = 5.0
ADVICE = {
    "no IP addresses available": "; all addresses of this node's spec.podCIDR are in use: delete pods here, or lower "
    "maxPods in the kubelet's configuration",
}
"""What a failure to make a sandbox says (host-local's words) -> what to do."""


class SandboxSteps:
    def __init__(self, space: Workspace) -> None:
        self._space = space

    async def create(self, action: actions.CreateSandbox) -> bool:
        space = self._space
        try:
            handler = await space.context.runtime_handler(space.pod)
            config = space.sandbox_config(action.attempt, handler)
        except (ConfigError, HostnameError, RuntimeFailure) as error:
            self._failed("FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")
            return False
        make_folder(config.log_directory)
        for omitted in space.resolver().omitted:
            space.tell("", "Warning", "DNSConfigForming", omitted)
        made = space.context.instruments
        try:
            with made.timed(made.cgroups.labels("create")):
                await space.context.cgroups.ensure(space.pod)
            if space.pod.spec.resources is not None:
                space.worker.allocation.note(POD, amounts(space.pod.spec.resources))
        except CgroupError as error:
            self._failed("FailedCreatePodContainer", f"unable to ensure pod container exists: {error}")
            return False
        made.started_pods.inc()
        try:
            sandbox_id = await space.worker.or_ending(self._run_in_turn(config, handler))
        except Interrupted:
            return False
        except RuntimeUnavailable:
            raise
        except RuntimeFailure as error:
            made.started_pods_errors.inc()
            self._failed("FailedCreatePodSandBox", f"Failed to create pod sandbox: {error.told}{advice(error.told)}")
            return False
        space.memory.sandbox = None
        space.context.watcher.belongs([sandbox_id], space.worker.uid)
        if action.attempt:
            space.tell("", "Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
        await space.worker.observer.made_sandbox(sandbox_id)
        return True

    def _failed(self, reason: str, text: str) -> None:
        space = self._space
        space.memory.sandbox = space.failure(space.memory.sandbox, reason, text)
        space.tell("", "Warning", reason, text)

    async def _run_in_turn(self, config: Any, handler: str) -> str:
        """Waits its turn, so that of many pods the first are up while the last wait; a slow one gives its turn back."""
        context = self._space.context
        async with context.turns.make():
            call = asyncio.ensure_future(self._run(config, handler))
            try:
                return await context.clock.wait_for(asyncio.shield(call), TURN_SECONDS)
            except TimeoutError:
                pass
            except asyncio.CancelledError:
                call.cancel()
                raise
        try:
            return await call
        finally:
            call.cancel()

    async def _run(self, config: Any, handler: str) -> str:
        context, made = self._space.context, self._space.context.instruments
        with made.timed(made.sandbox_seconds.labels(handler)):
            try:
                return await context.runtime.run_sandbox(config, handler)
            except RuntimeFailure:
                made.sandbox_errors.labels(handler).inc()
                raise

    async def stop(self, action: actions.StopSandbox) -> bool:
        try:
            await self._space.context.runtime.stop_sandbox(action.id)
        except RuntimeFailure as error:
            self._not_ended(error)
            raise
        self._space.worker.observer.stopped_sandbox(action.id)
        return True

    def _not_ended(self, error: RuntimeFailure) -> None:
        if not isinstance(error, RuntimeUnavailable):
            self._space.tell("", "Warning", "FailedKillPod", f"error killing pod: {error}")

    async def remove(self, action: actions.RemoveSandbox) -> bool:
        space = self._space
        async with space.context.turns.remove():
            try:
                await sandboxes.remove(space.context.runtime, action.id)
            except RuntimeFailure as error:
                self._not_ended(error)
                raise
        space.worker.observer.removed_sandbox(action.id)
        if space.memory.space_needed:
            await space.context.mounter.remove(space.log_folder)
        return True


def advice(error: str) -> str:
    return next((words for sign, words in ADVICE.items() if sign in error), "")
