"""Getting images: pull policies, credentials, records of pulls, and the events that tell of it.

("Images", image pull policy; the events' words are upstream's, the errors' are the registry's own.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sampan.aio.clock import Clock
from sampan.cri.errors import RuntimeFailure, RuntimeUnavailable
from sampan.cri.interface import Runtime
from sampan.kubelet.credentials.sources import PullCredentials
from sampan.kubelet.imagenames import is_name, pull_policy
from sampan.kubelet.memory import ImageReady
from sampan.kubelet.pullrecords import PullRecords
from sampan.kubelet.pulls import Pulled, Pulls
from sampan.kubelet.pullsecrets import Credential
from sampan.volumes.errors import VolumeError

Tell = Callable[[str, str, str], None]
"""(type, reason, message): makes an event on the container."""
WITHOUT_SECRETS = "Unable to retrieve some image pull secrets ({}); attempting to pull the image may not succeed."
KNOWN_REFUSALS = {
    "RegistryUnavailable": "the registry is unavailable",
    "SignatureValidationFailed": "the signature validation failed",
}
"""How a runtime's message begins that says why it has no image, and what upstream makes of it (CRI errors)."""


class ImageError(Exception):
    """Why there is no image: `reason` is what the container's status shows."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Images:
    """The node's images."""

    def __init__(
        self, runtime: Runtime, clock: Clock, *, pulls: Pulls, records: PullRecords, credentials: PullCredentials
    ) -> None:
        self._runtime = runtime
        self._clock = clock
        self._pulls = pulls
        self._records = records
        self._credentials = credentials
        self._recovered = False

    async def present(self, pod: Any, wanted: Any, tell: Tell) -> ImageReady | None:
        """The image if it is on the node and this pod may use it without asking the registry; None when it must pull.

        `wanted` has `image` and `imagePullPolicy`. Raises ImageError for a name that is none, and for a missing image
        that may not be pulled; RuntimeUnavailable.
        """
        image = wanted.image or ""
        policy = pull_policy(image, wanted.imagePullPolicy)
        if not is_name(image):
            wrong = f'couldn\'t parse image name "{image}": invalid reference format'
            text = f'Failed to apply default image tag "{image}": {wrong}'
            raise told(tell, "InspectFailed", "InvalidImageName", text)
        if policy == "Always":
            return None
        found = await self._inspect(image, tell)
        if found is not None and not await self._must_pull(pod, image, found.id):
            text = f'Container image "{image}" already present on machine and can be accessed by the pod'
            tell("Normal", "Pulled", text)
            return ImageReady(reference=found.id, details=found)
        if policy == "Never":
            # The same words for an image that is there for others: nobody shall learn that.
            text = f'Container image "{image}" is not present with pull policy of Never'
            raise told(tell, "ErrImageNeverPull", "ErrImageNeverPull", text)
        return None

    async def _inspect(self, image: str, tell: Tell) -> Any | None:
        try:
            return await self._runtime.image_status(image)
        except RuntimeUnavailable:
            raise
        except RuntimeFailure as error:
            text = f'Failed to inspect image "{image}": {error.told}'
            raise told(tell, "InspectFailed", "ImageInspectError", text) from None

    async def _must_pull(self, pod: Any, image: str, reference: str) -> bool:
        if not self._records.must_pull(image, reference, ()):
            return False
        try:
            credentials = await self._credentials.of(pod, image)
        except VolumeError:
            return True
        return self._records.must_pull(image, reference, credentials)

    async def pull(self, pod: Any, wanted: Any, tell: Tell) -> ImageReady:
        """Pulls the image with the pod's credentials; raises ImageError."""
        image = wanted.image
        tell("Normal", "Pulling", f'Pulling image "{image}"')
        asked = self._clock.monotonic()
        self._records.intend(image)
        ready = None
        try:
            missing = await self._credentials.missing(pod)
            if missing:
                tell("Warning", "FailedToRetrieveImagePullSecret", WITHOUT_SECRETS.format(", ".join(missing)))
            pulled, credential = await self._pull_with_any(image, await self._credentials.of(pod, image))
            found = await self._runtime.image_status(pulled.reference) or await self._runtime.image_status(image)
            reference = found.id if found is not None else pulled.reference
            self._records.pulled(image, reference, credential)
            ready = ImageReady(reference=pulled.reference, details=found)
        except (RuntimeFailure, VolumeError) as error:
            text = words(error)
            tell("Warning", "Failed", f'Failed to pull image "{image}": {text}')
            raise refusal(tell, image, text) from None
        finally:
            if ready is None:
                self._records.failed(image)
        tell("Normal", "Pulled", success(image, pulled, self._clock.monotonic() - asked, found))
        return ready

    async def _pull_with_any(self, image: str, credentials: Sequence[Credential]) -> tuple[Pulled, Credential | None]:
        """Tries the credentials in turn, or none where there are none; raises the last failure."""
        failure: RuntimeFailure | None = None
        for credential in credentials or (None,):
            try:
                return await self._pulls.pull(image, credential), credential
            except RuntimeUnavailable:
                raise
            except RuntimeFailure as error:
                failure = error
        assert failure is not None
        raise failure

    async def tidy(self) -> None:
        """Notes what a former kubelet was pulling when it ended, and drops records of images that are gone.

        Raises RuntimeFailure.
        """
        now = self._clock.now()
        listed = await self._runtime.list_images()
        if not self._recovered:
            self._records.recover(listed)
            self._recovered = True
        self._records.forget_others({image.id for image in listed}, now)

    async def close(self) -> None:
        await self._pulls.close()

    def statistics(self) -> dict[str, Any]:
        return self._pulls.statistics()


def told(tell: Tell, event: str, reason: str, text: str) -> ImageError:
    tell("Warning", event, text)
    tell("Warning", "Failed", f"Error: {reason}")
    return ImageError(reason, text)


def words(error: RuntimeFailure | VolumeError) -> str:
    """With the code of a runtime's failure, as upstream shows it, unless that says nothing."""
    return error.told if isinstance(error, RuntimeFailure) and error.code != "UNKNOWN" else str(error)


def refusal(tell: Tell, image: str, text: str) -> ImageError:
    """The error of a failed pull; some of what a runtime says has a reason of its own."""
    reason, _, rest = text.partition(":")
    why = KNOWN_REFUSALS.get(reason)
    if why is None:
        reason = "ErrImagePull"
    else:
        text = f"image pull failed for {image} because {why}" + (f":{rest}" if rest else "")
    tell("Warning", "Failed", f"Error: {reason}")
    return ImageError(reason, text)


def success(image: str, pulled: Pulled, waited: float, found: Any | None) -> str:
    size = found.size if found is not None else 0
    took, whole = duration(pulled.seconds), duration(waited)
    return f'Successfully pulled image "{image}" in {took} ({whole} including waiting). Image size: {size} bytes.'


def duration(seconds: float) -> str:
    """As Go prints a duration cut to milliseconds: `393ms`, `1.5s`, `2m3.25s`."""
    if seconds < 1:
        return f"{int(seconds * 1000)}ms" if seconds >= 0.001 else "0s"
    minutes, rest = divmod(int(seconds * 1000), 60_000)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else "") + text
