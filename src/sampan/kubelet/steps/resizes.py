"""Setting running containers, and the cgroup around them, to what is allocated.

The pod's cgroup is widened first and narrowed last, so that no container is ever allowed more than its pod. A memory
limit is not set below what is in use: the kernel would kill for it; it is tried again later (KEP-1287).
"""

from __future__ import annotations

from typing import Any

from sampan.cri.errors import RuntimeFailure, RuntimeUnavailable
from sampan.kubelet import actions
from sampan.kubelet.cgroup.manager import CgroupError
from sampan.kubelet.observed import Container
from sampan.kubelet.resize.amounts import POD, amounts, with_amounts
from sampan.kubelet.resize.decide import needs_restart, set_amounts, unset
from sampan.kubelet.resources import container_resources
from sampan.kubelet.stats import cgroupfiles
from sampan.kubelet.steps.workspace import Workspace


class MemoryInUse(Exception):
    """More is in use than the new limit allows."""


class ResizeStep:
    def __init__(self, space: Workspace) -> None:
        self._space = space

    async def resize(self, _: actions.Resize) -> None:
        space = self._space
        try:
            await self._resize()
        except RuntimeUnavailable:
            raise
        except (RuntimeFailure, CgroupError, MemoryInUse) as error:
            if space.memory.resize_error is None:
                space.tell("", "Warning", "ResizeError", str(error))
            space.memory.resize_error = space.failure(space.memory.resize_error, "Error", str(error))
            return
        space.memory.resize_error = None
        space.tell("", "Normal", "ResizeCompleted", "Pod resize completed")

    async def _resize(self) -> None:
        space, cgroups = self._space, self._space.context.cgroups
        differing = unset(space.pod, space.worker.seen, space.memory)
        before = with_amounts(space.pod, self._before(differing))
        await cgroups.ensure(space.pod, before)
        for spec, container, names in differing:
            if not needs_restart(spec, names):
                await self._set(spec, container)
        await cgroups.ensure(space.pod)
        if space.pod.spec.resources is not None:
            space.worker.allocation.note(POD, amounts(space.pod.spec.resources))

    def _before(self, differing: list[tuple[Any, Container, list[str]]]) -> dict[str, Any]:
        """What is set now, by container name."""
        memory = self._space.memory
        there = {spec.name: set_amounts(container, memory) or {} for spec, container, _ in differing}
        return {**there, POD: memory.actuated[POD]} if POD in memory.actuated else there

    async def _set(self, spec: Any, container: Container) -> None:
        space, context = self._space, self._space.context
        cgroups = context.cgroups
        wanted = container_resources(space.pod, spec, context.memory, swap=cgroups.swap, kill_all=cgroups.kill_all)
        self._check(container, wanted.memory_limit_in_bytes)
        await context.runtime.update_resources(container.id, wanted)
        space.worker.allocation.note(container.id, amounts(spec.resources))

    def _check(self, container: Container, limit: int) -> None:
        """Raises MemoryInUse."""
        cgroups = self._space.context.cgroups
        used = cgroupfiles.memory(cgroups.tree, cgroups.container(self._space.pod, container.id))
        if used is not None and 0 < limit < used.usage:
            raise MemoryInUse(f"attempting to set pod memory limit ({limit}) below current usage ({used.usage})")
