"""What a pull may show a registry: the pod's secrets, the node's docker configuration, then what providers give."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from sampan.kubelet.pullsecrets import Credential, credentials_in, documented, matching
from sampan.volumes.errors import VolumeError
from sampan.volumes.interface import Objects

MOST_SECRETS = 1000
"""Pull secrets remembered for when the API is away."""


class Providers(Protocol):
    async def credentials(self, pod: Any, image: str) -> list[Credential]:
        """What the node's credential providers give; [] when nothing."""
        ...


class PullCredentials:
    """`node` is a docker configuration that every pod's pulls may use, `providers` None where none are configured."""

    def __init__(self, objects: Objects, *, node: Path, providers: Providers | None) -> None:
        self._objects = objects
        self._node = node
        self._providers = providers
        self._secrets: dict[tuple[str, str], Any] = {}

    async def of(self, pod: Any, image: str) -> list[Credential]:
        """For the image's registry; of each source the most specific first. Raises VolumeError."""
        own = matching(
            image, credentials_in(secret for secret in (await self._own(pod)).values() if secret is not None)
        )
        given = await self._providers.credentials(pod, image) if self._providers is not None else []
        return [*own, *matching(image, documented(read_bytes(self._node), None)), *matching(image, given)]

    async def missing(self, pod: Any) -> list[str]:
        """The names of the pod's pull secrets that there are not. Raises VolumeError."""
        return [name for name, secret in (await self._own(pod)).items() if secret is None]

    async def _own(self, pod: Any) -> dict[str, Any]:
        names = [reference.name for reference in pod.spec.imagePullSecrets or () if reference.name]
        return {name: await self._secret(pod.metadata.namespace, name) for name in names}

    async def _secret(self, namespace: str, name: str) -> Any | None:
        """A pull secret, or what it was when the API could last be asked: containers restart without it."""
        key = (namespace, name)
        try:
            found = await self._objects.secret(namespace, name)
        except VolumeError:
            if key not in self._secrets:
                raise
            return self._secrets[key]
        self._secrets.pop(key, None)
        if found is not None:
            self._secrets[key] = found
            if len(self._secrets) > MOST_SECRETS:
                del self._secrets[next(iter(self._secrets))]
        return found


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
