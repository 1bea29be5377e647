"""Getting images: pull policies, credentials, one pull of an image at a time, and the events that tell of it.

("Images", image pull policy; the events' words are upstream's, the errors' are the registry's own.)
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from sampan.aio.clock import Clock
from sampan.cri.errors import RuntimeFailure, RuntimeUnavailable
from sampan.cri.interface import Runtime
from sampan.cri.messages import pb
from sampan.kubelet.memory import ImageReady
from sampan.kubelet.pullsecrets import Credential, credentials_in, matching
from sampan.volumes.errors import VolumeError
from sampan.volumes.interface import Objects

NAME = re.compile(
    r"(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::\d+)?/|\[[0-9a-fA-F:]+\](?::\d+)?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::\w[\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?",
    re.ASCII,
)
"""The reference grammar of the distribution project; a bare image id is accepted by the runtime too."""

Tell = Callable[[str, str, str], None]
"""(type, reason, message): makes an event on the container."""


class ImageError(Exception):
    """Why there is no image: `reason` is what the container's status shows."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Images:
    """The node's images; at most `parallel` pulls at a time."""

    def __init__(self, runtime: Runtime, objects: Objects, clock: Clock, *, parallel: int) -> None:
        self._runtime = runtime
        self._objects = objects
        self._clock = clock
        self._slots = asyncio.Semaphore(parallel)
        self._pulls: dict[tuple[str, Credential | None], asyncio.Task[str]] = {}

    async def present(self, container: Any, tell: Tell) -> ImageReady | None:
        """The image if it is on the node and its policy is content with that; None when it must be pulled.

        Raises ImageError for a name that is none, and for a missing image that may not be pulled; RuntimeFailure.
        """
        image, policy = container.image or "", container.imagePullPolicy or "IfNotPresent"
        if not NAME.fullmatch(image):
            wrong = f'couldn\'t parse image name "{image}": invalid reference format'
            text = f'Failed to apply default image tag "{image}": {wrong}'
            tell("Warning", "InspectFailed", text)
            raise ImageError("InvalidImageName", text)
        if policy == "Always":
            return None
        found = await self._runtime.image_status(image)
        if found is not None:
            tell("Normal", "Pulled", f'Container image "{image}" already present on machine')
            return ImageReady(reference=found.id, details=found)
        if policy == "Never":
            text = f'Container image "{image}" is not present with pull policy of Never'
            tell("Warning", "ErrImageNeverPull", text)
            raise ImageError("ErrImageNeverPull", text)
        return None

    async def pull(self, pod: Any, container: Any, tell: Tell) -> ImageReady:
        """Pulls the image with the pod's credentials; raises ImageError."""
        image = container.image
        tell("Normal", "Pulling", f'Pulling image "{image}"')
        asked = self._clock.monotonic()
        try:
            reference = await self._pull_with_any(image, await self._credentials(pod, image))
            found = await self._runtime.image_status(reference) or await self._runtime.image_status(image)
        except (RuntimeFailure, VolumeError) as error:
            text = str(error)
            tell("Warning", "Failed", f'Failed to pull image "{image}": {text}')
            tell("Warning", "Failed", "Error: ErrImagePull")
            raise ImageError("ErrImagePull", text) from None
        took = self._clock.monotonic() - asked
        size = f" Image size: {found.size} bytes." if found is not None else ""
        tell("Normal", "Pulled", f'Successfully pulled image "{image}" in {took:.3g}s.{size}')
        return ImageReady(reference=reference, details=found)

    async def _pull_with_any(self, image: str, credentials: list[Credential]) -> str:
        """Tries the credentials in turn, or none where there are none; raises the last failure."""
        failure: RuntimeFailure | None = None
        for credential in credentials or [None]:  # type: ignore[list-item]
            try:
                return await self._shared_pull(image, credential)
            except RuntimeUnavailable:
                raise
            except RuntimeFailure as error:
                failure = error
        assert failure is not None
        raise failure

    async def _shared_pull(self, image: str, credential: Credential | None) -> str:
        """One pull for all who want the same image with the same credential; it goes on when one of them gives up."""
        key = (image, credential)
        task = self._pulls.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._one_pull(image, credential), name=f"pull {image}")
            self._pulls[key] = task
            task.add_done_callback(lambda done: self._end_of_pull(key, done))
        return await asyncio.shield(task)

    def _end_of_pull(self, key: tuple[str, Credential | None], task: asyncio.Task[str]) -> None:
        self._pulls.pop(key, None)
        if not task.cancelled():
            task.exception()  # Seen here, in case nobody waits any more.

    async def _one_pull(self, image: str, credential: Credential | None) -> str:
        async with self._slots:
            return await self._runtime.pull_image(image, auth_config(credential), None)

    async def _credentials(self, pod: Any, image: str) -> list[Credential]:
        names = [reference.name for reference in pod.spec.imagePullSecrets or () if reference.name]
        secrets = [await self._objects.secret(pod.metadata.namespace, name) for name in names]
        return matching(image, credentials_in(secret for secret in secrets if secret is not None))

    async def close(self) -> None:
        pulls = list(self._pulls.values())
        for task in pulls:
            task.cancel()
        await asyncio.gather(*pulls, return_exceptions=True)

    def statistics(self) -> dict[str, Any]:
        return {"pulling": sorted(image for image, _ in self._pulls)}


def auth_config(credential: Credential | None) -> Any:
    """The registry is left out: the runtime has it from the image, and takes an address only as a URL."""
    if credential is None:
        return None
    return pb.AuthConfig(
        username=credential.username,
        password=credential.password,
        identity_token=credential.identity_token,
    )
