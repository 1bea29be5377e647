"""The shape that every kind of volume has, and what it is given to work with.

The kubelet calls `set_up` before the pod's sandbox is made, again after each failure, and after a kubelet restart: it
must be idempotent and cheap when all is there already. `refresh` brings a volume's content up to date while the pod
runs. Taking a volume away needs no word of its kind: what lies or is mounted under the pod's folder is unmounted and
deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from sampan.volumes.mounter import Mounter


class Objects(Protocol):
    """Where volumes get the API objects they show; raises VolumeError when the API cannot be asked."""

    async def config_map(self, namespace: str, name: str) -> Any | None: ...

    async def secret(self, namespace: str, name: str) -> Any | None: ...

    async def token(self, pod: Any, audience: str, seconds: int) -> str:
        """A token of the pod's service account for that audience, which has at least a fifth of `seconds` to live."""
        ...

    def forget(self, uid: str) -> None:
        """The pod with that uid is gone: drop what was kept for it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PodVolumes:
    """One pod's volumes: its spec, its folder on this node (`<kubelet>/pods/<uid>`), and what it is known by.

    `pod_ips` may still be empty: volumes are made before the sandbox. `allocatable` maps resources to what the node
    has of them, where no limit is set.
    """

    pod: Any
    directory: Path
    objects: Objects
    mounter: Mounter
    host_ips: Sequence[str] = ()
    pod_ips: Sequence[str] = ()
    allocatable: dict[str, str] | None = None

    @property
    def namespace(self) -> str:
        return self.pod.metadata.namespace or "default"

    @property
    def group(self) -> int | None:
        """The group that owns the pod's volumes (`securityContext.fsGroup`)."""
        context = self.pod.spec.securityContext
        return context.fsGroup if context else None

    def path(self, plugin: str, name: str) -> Path:
        """Where the volume lies: the same place as upstream's, which tools know."""
        return self.directory / "volumes" / plugin / name


class VolumeKind(Protocol):
    """`source` is the field of core/v1 Volume that asks for it; `changes` says whether `refresh` does anything."""

    source: ClassVar[str]
    changes: ClassVar[bool]

    async def set_up(self, volume: Any, pod: PodVolumes) -> Path:
        """Makes the volume and returns its path on the node; raises VolumeError."""
        ...

    async def refresh(self, volume: Any, pod: PodVolumes) -> None:
        """Brings the content up to date; raises VolumeError."""
        ...
