"""Getting a container's image, without waiting for the pull."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sampan.kubelet import actions
from sampan.kubelet.containerstatus import ERROR_SHOWN_SECONDS
from sampan.kubelet.images import ImageError
from sampan.kubelet.memory import Failure, ImagePulling
from sampan.kubelet.spec import container_by_name
from sampan.kubelet.steps.workspace import Workspace


class ImageSteps:
    def __init__(self, space: Workspace) -> None:
        self._space = space

    async def ensure(self, action: actions.EnsureImage) -> bool:
        space, name = self._space, action.container
        spec: Any = container_by_name(space.pod, name)
        images, before = space.memory.images, space.memory.images.get(name)
        try:
            ready = await space.context.images.present(space.pod, spec, self._teller(name))
        except ImageError as error:
            images[name] = self._failure(before, error)
            return True
        if ready is not None:
            images[name] = ready
            return True
        images[name] = ImagePulling(since=space.context.clock.now())
        space.run(lambda: self._pull(spec, before), f"pull {name}")
        return True

    async def _pull(self, spec: Any, before: Any) -> None:
        space = self._space
        began = space.context.clock.now()
        try:
            ready = await space.context.images.pull(space.pod, spec, self._teller(spec.name))
            space.memory.images[spec.name] = ready
            self._note_pulled(began)
        except ImageError as error:
            space.memory.images[spec.name] = failure = self._failure(before, error)
            space.run(lambda: self._tell_backoff(spec, failure), f"back-off {spec.name}")
        space.worker.wake()

    def _note_pulled(self, began: float) -> None:
        memory = self._space.memory
        first = memory.pulled[0] if memory.pulled is not None else began
        memory.pulled = min(first, began), self._space.context.clock.now()

    async def _tell_backoff(self, spec: Any, failure: Failure) -> None:
        """The status turns from the error to the back-off after a moment, and so do the events."""
        space = self._space
        await space.context.clock.sleep(ERROR_SHOWN_SECONDS)
        if space.memory.images.get(spec.name) is failure:
            space.tell(spec.name, "Normal", "BackOff", f'Back-off pulling image "{spec.image}"')
            space.tell(spec.name, "Warning", "Failed", "Error: ImagePullBackOff")
            space.worker.wake()

    def _failure(self, before: Any, error: ImageError) -> Failure:
        config, now = self._space.context.config, self._space.context.clock.now()
        count = before.count + 1 if isinstance(before, Failure) else 1
        delay = min(config.image_backoff_base * 2.0 ** (count - 1), config.image_backoff_cap)
        return Failure(reason=error.reason, message=error.message, at=now, retry_at=now + delay, count=count)

    def _teller(self, container: str) -> Callable[[str, str, str], None]:
        return lambda type_, reason, message: self._space.tell(container, type_, reason, message)
